/* replay_plan.c - see replay_plan.h. */
#include "replay_plan.h"

#include <math.h>

uint64_t replay_delay_ms(const struct replay_config *config)
{
    return (uint64_t)llround((double)config->window_ms / config->speed);
}

bool replay_expects_paid(const struct replay_config *config, const struct bench_order *order)
{
    return order->has_payment && order->pay_delay_ms <= config->window_ms;
}

bool replay_sends_pay(const struct replay_config *config, const struct bench_order *order)
{
    return order->has_payment && order->pay_delay_ms <= 2 * config->window_ms;
}
