/* answers.h - one line to say what an answer must be. Include <cmocka.h> first. */
#ifndef ANSWERS_H
#define ANSWERS_H

/* error, state, deadline and decision index of a struct result. */
#define assert_answer(got, want_error, want_state, want_deadline_ms, want_index) \
    do {                                                                         \
        struct result answer_ = (got);                                           \
        assert_int_equal(answer_.error, want_error);                             \
        assert_int_equal(answer_.state, want_state);                             \
        assert_int_equal(answer_.deadline_ms, want_deadline_ms);                 \
        assert_int_equal(answer_.index, want_index);                             \
    } while (0)

#endif
