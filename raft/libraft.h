/* libraft.h - the one door to libraft: its headers, and the refusal of a libraft that loses data.
 *
 * Debian 12's own libraft 0.15.0 loses acknowledged commands (docs/consensus.md). */
#ifndef LIBRAFT_H
#define LIBRAFT_H

#include <raft.h>
#include <raft/uv.h>

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER < 2200
#error \
    "orderschedd needs libraft 0.22 or newer: older ones lose acknowledged orders. Run: make deps"
#endif

#endif
