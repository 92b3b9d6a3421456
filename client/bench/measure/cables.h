/* cables.h - machines for the nodes of a cluster of our own: each a network namespace, with one
 * cable to a bridge that nobody else sees, so that a node can vanish without a word on the wire.
 *
 * A cable that is pulled carries nothing in either direction: nobody gets a FIN or an RST, nor an
 * acknowledgement from the kernel of the machine that is gone. This process sits at the bridge, and
 * stays in the network namespace that was made for it. As root, or where users may make namespaces
 * of their own (it is root in one then). Main thread only. */
#ifndef ORDERBENCH_CABLES_H
#define ORDERBENCH_CABLES_H

#define CABLES_MAX 9
#define CABLES_HOST_SIZE 24

struct cables {
    unsigned n;  /* 0: there are none */
    int home;    /* the namespace of the bridge */
    int control; /* a socket in it, for its interfaces */
    int machines[CABLES_MAX];
};

/* All that return int: 0, or an exit code of orderbench after a sentence on stderr. */

/* Lay n of them; before this process has a second thread. 2: this user, or this machine, cannot. */
int cables_open(struct cables *c, unsigned n);
void cables_close(struct cables *c);
/* "10.75.0.3", the address of machine i, from 0 on. */
void cables_host(unsigned i, char host[CABLES_HOST_SIZE]);
/* This thread, and what it starts, is on machine i; and at the bridge again. */
int cables_enter(const struct cables *c, unsigned i);
int cables_leave(const struct cables *c);
/* The machine is off the network when this returns; and on it again. */
int cables_pull(const struct cables *c, unsigned i);
int cables_plug_in(const struct cables *c, unsigned i);

#endif
