/* link.h - intrusive doubly linked lists.
 *
 * A node lies in what is listed; the head of a list is a node too. Unlinked: next == NULL. */
#ifndef LINK_H
#define LINK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next;
    struct link *prev;
};

static inline void link_head_init(struct link *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool link_empty(const struct link *head)
{
    return head->next == head;
}

static inline bool link_linked(const struct link *l)
{
    return l->next != NULL;
}

static inline void link_between(struct link *before, struct link *l, struct link *behind)
{
    assert(!link_linked(l));
    assert(before->next == behind && behind->prev == before);
    l->prev = before;
    l->next = behind;
    before->next = l;
    behind->prev = l;
}

/* Behind the last. */
static inline void link_append(struct link *head, struct link *l)
{
    link_between(head->prev, l, head);
}

/* Before the first. */
static inline void link_prepend(struct link *head, struct link *l)
{
    link_between(head, l, head->next);
}

/* Leaves it unlinked. */
static inline void link_remove(struct link *l)
{
    assert(link_linked(l));
    assert(l->prev->next == l && l->next->prev == l);
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->next = NULL;
    l->prev = NULL;
}

#endif
