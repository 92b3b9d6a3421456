/* terminal.h - the terminal while it is ours: no echo, another picture than the shell's; and given back as it was,
 * however it ends.
 *
 * SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGWINCH do not act by themselves, but are told by terminal_signals().
 * Writing never waits: what a slow line has not taken is kept, and nothing further is drawn meanwhile. One a process. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    int out;     /* of our own, so that not to wait is not said of the shell's */
    int signals; /* readable when there are any */
    bool raw;    /* the keyboard is ours */
    struct termios before;
    char *unsent;
    size_t sent;
    size_t unsent_len;
};

enum { TERMINAL_END = 1, TERMINAL_STOP = 2, TERMINAL_SIZE = 4 };

/* Take the terminal of the standard output. False: it cannot be had; errno says why. */
bool terminal_take(struct terminal *t);
/* Give it back, within a second, also when it takes no more. */
void terminal_give_back(struct terminal *t);
/* Give it back, stop as the shell wants, and take it again when it goes on. */
void terminal_stop(struct terminal *t);
/* What was asked for since the last call: of TERMINAL_END, ... In *signal which signal asked for the end. */
unsigned terminal_signals(struct terminal *t, int *signal);
void terminal_size(unsigned *rows, unsigned *columns);
/* Has all been sent? Try once more. False with *gone: nobody is there any more. */
bool terminal_is_clear(struct terminal *t, bool *gone);
/* Send; takes ownership of malloc'ed bytes. It must be clear. */
void terminal_send(struct terminal *t, char *bytes, size_t len);

#endif
