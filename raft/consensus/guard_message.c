/* guard_message.c - messages whose memory is the guard's: thrown away, or kept for later. */
#include "guard_parts.h"

#include <stdlib.h>
#include <string.h>

void guard_discard_entries(struct raft_entry *entries, unsigned n)
{
    void *batch = NULL;

    for (unsigned i = 0; i < n; i++) {
        if (entries[i].batch != batch) {
            batch = entries[i].batch;
            raft_free(batch);
        }
    }
    raft_free(entries);
}

void guard_discard_message(struct raft_message *message)
{
    switch (message->type) {
        case RAFT_APPEND_ENTRIES:
            if (message->append_entries.n_entries > 0) {
                guard_discard_entries(message->append_entries.entries,
                                      message->append_entries.n_entries);
            }
            break;
        case RAFT_INSTALL_SNAPSHOT:
            raft_configuration_close(&message->install_snapshot.conf);
            raft_free(message->install_snapshot.data.base);
            break;
        default: break;
    }
}

bool guard_keep_message(struct raft_message *kept, const struct raft_message *message)
{
    char *address = strdup(message->server_address);

    *kept = *message;
    kept->server_address = address;
    if (address == NULL) {
        guard_discard_message(kept);
    }
    return address != NULL;
}

void guard_forget_kept(struct raft_message *kept)
{
    guard_discard_message(kept);
    free((void *)kept->server_address);
}
