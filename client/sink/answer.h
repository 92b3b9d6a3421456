/* answer.h - the text of the reference receiver's answers. Pure. */
#ifndef ORDERSINK_ANSWER_H
#define ORDERSINK_ANSWER_H

#include "request.h"

/* The body of the answer to a judged request, malloc'ed, its length in *len: an outcome, an
 * outcome for each order of a batch (and the lies told there), or an error. NULL: no memory. */
char *sink_answer_text(const struct sink_request *r, size_t *len);

#endif
