/* resource.h - what the resources of the HTTP API have in common: a request read, an operation asked, what went wrong
 * said. Each function that returns false has answered the exchange. */
#ifndef FRONT_RESOURCE_H
#define FRONT_RESOURCE_H

#include "fields.h"
#include "params.h"

typedef void (*resource_done)(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n);

/* --- the request --- */
/* The body, to be released with json_decref. */
bool resource_body(struct exchange *x, json_t **body);
/* The same; where there is none, an object without members. */
bool resource_body_or_none(struct exchange *x, json_t **body);
/* There is none, or an object without members. */
bool resource_no_body(struct exchange *x);
/* No If-Match is given, which only an extend heeds. */
bool resource_unconditional(struct exchange *x);
/* Nothing was found to be wrong. */
bool resource_sound(struct exchange *x, const struct flaw *flaw);
/* The segment of the path as an order's id; as the name of a route or principal; as a number. */
bool resource_id(struct exchange *x, unsigned segment, struct slice *id);
bool resource_name(struct exchange *x, unsigned segment, struct slice *name);
bool resource_number(struct exchange *x, unsigned segment, uint64_t min, uint64_t max, uint64_t *n);
/* What is wrong with an id; NULL: nothing. */
const char *resource_id_problem(struct slice id);

/* --- asking --- */
/* Ask the leader one operation; its slices need to live until this returns. */
void resource_ask(struct exchange *x, const struct operation *op, resource_done on_done);
/* The same of this node (0) or another, from its own state. */
void resource_ask_node(struct exchange *x, uint64_t node, const struct operation *op,
                       resource_done on_done);

/* --- the answer --- */
/* It is OK. `id` is the order's it is about, or of no bytes. */
bool resource_done_well(struct exchange *x, const struct ordersched_answer *answer,
                        struct slice id);
/* 200 with a page of a list, {NAME: rows, "cursor"}, whose rows `take` reads from the answer; it returns false
 * where that cannot be read. Answers the exchange, whatever the answer is. */
typedef bool (*resource_take_page)(const struct ordersched_answer *answer, json_t *rows,
                                   struct slice *next);
void resource_answer_page(struct exchange *x, const struct ordersched_answer *answer,
                          const char *name, resource_take_page take);
/* 200 with {"results": results}, whose reference is taken over; where they could not be read, that. */
void resource_answer_results(struct exchange *x, json_t *results, bool read);
/* What a node said cannot be read. */
void resource_malformed(struct exchange *x);
/* A Location, of these segments, before the answer. */
void resource_location(struct exchange *x, const char *const *segments, struct slice last);
/* 201 with such a Location. The reference of `body` is taken over. */
void resource_created(struct exchange *x, const char *const *segments, struct slice last,
                      json_t *body);
/* Does the answer say that a copy of the request was answered before? */
bool resource_repeated(const struct ordersched_answer *answer);

#endif
