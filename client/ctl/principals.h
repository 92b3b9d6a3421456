/* principals.h - what the files of the commands on principals say to each other. */
#ifndef PRINCIPALS_H
#define PRINCIPALS_H

#include "orderctl.h"

int ctl_principals_run_list(struct ctl *ctl);

#endif
