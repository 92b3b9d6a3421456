/* acquaintance.c - see acquaintance.h. */
#include "acquaintance.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../mutant.h"

/* What a sentence calls the lists of founders; long ones are cut. */
#define LIST_SHOWN 100

static const char *list_of(const struct standing *s, char out[LIST_SHOWN + 4])
{
    size_t len = strlen(s->founders);

    snprintf(out, LIST_SHOWN + 4, "%.*s%s", LIST_SHOWN, len > 0 ? s->founders : "a list not known",
             len > LIST_SHOWN ? "..." : "");
    return out;
}

/* Is it the one that was dialed, and are we whom it means? */
static bool names_fit(const struct handshake *own, const struct handshake *peer, char *reason,
                      size_t reason_len)
{
    if (strcmp(peer->cluster, own->cluster) != 0) {
        snprintf(reason, reason_len, "belongs to cluster \"%s\", this node to \"%s\"",
                 peer->cluster, own->cluster);
    } else if (peer->sender == 0 || peer->sender == own->sender) {
        snprintf(reason, reason_len, "claims id %" PRIu64 ", which is %s", peer->sender,
                 peer->sender == 0 ? "no id" : "this node's own");
    } else if (peer->receiver != own->sender) {
        snprintf(reason, reason_len,
                 "node %" PRIu64 " expects node %" PRIu64 " here, this is node %" PRIu64,
                 peer->sender, peer->receiver, own->sender);
    } else if (own->receiver != 0 && peer->sender != own->receiver) {
        snprintf(reason, reason_len, "is node %" PRIu64 ", not node %" PRIu64, peer->sender,
                 own->receiver);
    } else {
        return true;
    }
    return false;
}

/* Both have an identity, and not the same. */
static void refuse_another(const struct handshake *own, const struct handshake *peer, char *reason,
                           size_t reason_len)
{
    char ours[9], theirs[9];

    snprintf(reason, reason_len,
             "node %" PRIu64 " at %s is a member of another cluster of the same name (identity "
             "%s); this node at %s belongs to %s. They cannot become one: give the cluster that is "
             "to stay its node back, or move the other's data directory away and let an empty "
             "node --join under a new id",
             peer->sender, peer->address, standing_brief(peer->standing.identity, theirs),
             own->address, standing_brief(own->standing.identity, ours));
}

/* Both would found, with lists that differ. */
static void refuse_list(const struct handshake *own, const struct handshake *peer, char *reason,
                        size_t reason_len)
{
    char difference[256];

    standing_difference(own->standing.founders, peer->standing.founders, difference,
                        sizeof difference);
    snprintf(reason, reason_len,
             "node %" PRIu64 " at %s would found another cluster, its --peers differ: %s. Start "
             "all first members with the same --peers",
             peer->sender, peer->address, difference);
}

/* `founder` would found what `member` is not of. */
static void refuse_founder(const struct handshake *own, const struct handshake *founder,
                           const struct handshake *member, char *reason, size_t reason_len)
{
    char identity[9], wanted[LIST_SHOWN + 4], there[LIST_SHOWN + 4];

    snprintf(reason, reason_len,
             "node %" PRIu64 " at %s would found a cluster (%s), but node %" PRIu64 " at %s is a "
             "member of one already (identity %s, founded by %s). To add the machine of node "
             "%" PRIu64 " (%s) to that: start it empty with --join --address under an id that no "
             "member of it ever had, then orderctl member add ID %s",
             founder->sender, founder->address, list_of(&founder->standing, wanted), member->sender,
             member->address, standing_brief(member->standing.identity, identity),
             list_of(&member->standing, there), founder->sender,
             founder == own ? "this one" : "the other", founder->address);
}

/* One of the two, or both, wait for a cluster that the other cannot name. */
static void refuse_waiting(const struct handshake *own, const struct handshake *peer, char *reason,
                           size_t reason_len)
{
    const struct handshake *waits = peer->standing.state == STANDING_JOINING ? peer : own;

    snprintf(reason, reason_len,
             "node %" PRIu64 " at %s waits to be added to a cluster (--join), and node %" PRIu64
             " is in none yet",
             waits->sender, waits->address, waits == peer ? own->sender : peer->sender);
}

static void refuse_old(const struct handshake *own, const struct handshake *peer, char *reason,
                       size_t reason_len)
{
    bool peer_is_old = peer->standing.state == STANDING_MEMBER &&
                       !standing_has_identity(&peer->standing);
    const struct handshake *old = peer_is_old ? peer : own;

    snprintf(reason, reason_len,
             "the data of node %" PRIu64 " at %s is from before clusters had an identity, and node "
             "%" PRIu64 " is not of that cluster. Start it with an empty directory and --join, "
             "under a new id",
             old->sender, old->address, old == peer ? own->sender : peer->sender);
}

/* One of them has no identity yet: `none`; the other, `has`, does. Do they fit? */
static bool takes_over(const struct standing *none, const struct standing *has)
{
    assert(!standing_has_identity(none) && standing_has_identity(has));
    switch (none->state) {
        case STANDING_JOINING: return true;
        case STANDING_FOUNDING: return none->founding == has->founding && none->founding != 0;
        default: return has->founding == 0;
    }
}

static enum acquaintance judge_known(const struct handshake *own, const struct handshake *peer,
                                     char *reason, size_t reason_len)
{
    if (memcmp(own->standing.identity, peer->standing.identity, STANDING_IDENTITY_SIZE) == 0 ||
        MUTANT(IDENTITY_NOT_COMPARED)) {
        return ACQUAINTANCE_FITS;
    }
    refuse_another(own, peer, reason, reason_len);
    return ACQUAINTANCE_REFUSED;
}

static enum acquaintance judge_half(const struct handshake *own, const struct handshake *peer,
                                    char *reason, size_t reason_len)
{
    bool own_has = standing_has_identity(&own->standing);
    const struct handshake *has = own_has ? own : peer;
    const struct handshake *none = own_has ? peer : own;

    if (takes_over(&none->standing, &has->standing)) {
        return own_has ? ACQUAINTANCE_FITS : ACQUAINTANCE_ADOPT;
    }
    if (none->standing.state == STANDING_FOUNDING) {
        refuse_founder(own, none, has, reason, reason_len);
    } else {
        refuse_old(own, peer, reason, reason_len);
    }
    return ACQUAINTANCE_REFUSED;
}

/* Neither has an identity. */
static enum acquaintance judge_fresh(const struct handshake *own, const struct handshake *peer,
                                     char *reason, size_t reason_len)
{
    const struct standing *a = &own->standing, *b = &peer->standing;

    if (a->state == STANDING_JOINING || b->state == STANDING_JOINING) {
        refuse_waiting(own, peer, reason, reason_len);
    } else if (a->state != b->state) {
        refuse_old(own, peer, reason, reason_len);
    } else if (a->founding != b->founding) {
        refuse_list(own, peer, reason, reason_len);
    } else {
        return ACQUAINTANCE_FITS;
    }
    return ACQUAINTANCE_REFUSED;
}

/* --- what was seen --- */

enum loss { LOSS_NONE, LOSS_OLDER, LOSS_ANOTHER, LOSS_WIPED };

static void told_lives(const struct handshake *h, struct lives *out)
{
    uint16_t len = 0;
    const uint8_t *data = handshake_find(h, HANDSHAKE_LIVES, &len);

    lives_decode(data, data != NULL ? len : 0, out);
}

static bool told_seen(const struct handshake *h, struct life *out)
{
    uint16_t len;
    const uint8_t *data = handshake_find(h, HANDSHAKE_SEEN, &len);

    *out = (struct life){0};
    return data != NULL && life_decode(data, len, out);
}

static enum loss loss_of(const struct handshake *claimant, const struct handshake *witness)
{
    struct lives told;
    struct life seen;

    if (!told_seen(witness, &seen)) {
        return LOSS_NONE;
    }
    told_lives(claimant, &told);
    enum lives_fit fit = lives_compare(&told, &seen);
    if (!standing_has_identity(&claimant->standing) &&
        (fit != LIVES_FIT || (seen.member && standing_has_identity(&witness->standing)))) {
        return LOSS_WIPED;
    }
    return fit == LIVES_OLDER ? LOSS_OLDER : fit == LIVES_ANOTHER ? LOSS_ANOTHER : LOSS_NONE;
}

static void loss_say(enum loss loss, const struct handshake *claimant,
                     const struct handshake *witness, char *reason, size_t reason_len)
{
    struct lives told;
    struct life seen;
    char what[256];
    uint64_t id = claimant->sender, by = witness->sender;

    told_lives(claimant, &told);
    (void)told_seen(witness, &seen);
    if (loss == LOSS_WIPED) {
        snprintf(what, sizeof what,
                 "it starts with an empty directory, and node %" PRIu64 " has "
                 "seen it before",
                 by);
    } else if (loss == LOSS_OLDER) {
        snprintf(what, sizeof what,
                 "an older copy of its data directory was put back: this is "
                 "its start %" PRIu64 ", and node %" PRIu64 " has seen its start %" PRIu64,
                 told.starts, by, seen.start);
    } else {
        snprintf(what, sizeof what,
                 "an older copy of its data directory was put back, or a copy "
                 "runs elsewhere: node %" PRIu64 " has seen another start %" PRIu64 " of it",
                 by, seen.start);
    }
    snprintf(reason, reason_len,
             "node %" PRIu64 " at %s has lost what it had confirmed: %s. Under this id it takes "
             "part no more, as it could vote twice: put the latest directory back, or move the "
             "directory away, orderctl member remove %" PRIu64 ", and add the machine empty with "
             "--join under a new id",
             id, claimant->address, what, id);
}

/* The two would fit: has one of them lost anything? */
static enum acquaintance judge_loss(enum acquaintance verdict, const struct handshake *own,
                                    const struct handshake *peer, char *reason, size_t reason_len)
{
    enum loss its = loss_of(peer, own), ours = loss_of(own, peer);

    if (verdict == ACQUAINTANCE_REFUSED) {
        return verdict;
    }
    if (its == LOSS_NONE && ours == LOSS_NONE) {
        return verdict;
    }
    if (its != LOSS_NONE) {
        loss_say(its, peer, own, reason, reason_len);
    } else {
        loss_say(ours, own, peer, reason, reason_len);
    }
    return ACQUAINTANCE_REFUSED;
}

bool acquaintance_has_lost(const struct handshake *claimant, const struct handshake *witness)
{
    return loss_of(claimant, witness) != LOSS_NONE;
}

void acquaintance_tell(struct handshake *own, const struct lives *lives,
                       const struct lives_seen *seen, uint64_t peer)
{
    uint8_t told[LIVES_TOLD_SIZE_MAX], one[LIFE_SIZE];
    const struct life *life = lives_recall(seen, peer);

    if (lives->starts != 0) {
        (void)handshake_extend(own, HANDSHAKE_LIVES, told, (uint16_t)lives_encode(lives, told));
    }
    if (life != NULL) {
        life_encode(life, one);
        (void)handshake_extend(own, HANDSHAKE_SEEN, one, sizeof one);
    }
}

void acquaintance_present(const struct handshake *peer, struct life *out)
{
    struct lives told;

    told_lives(peer, &told);
    *out = (struct life){.start = told.starts, .mark = told.n > 0 ? told.marks[0] : 0};
}

bool acquaintance_note(struct lives_seen *seen, const struct handshake *peer)
{
    struct lives told;

    told_lives(peer, &told);
    return lives_note(seen, peer->sender, &told, standing_has_identity(&peer->standing));
}

enum acquaintance acquaintance_judge(const struct handshake *own, const struct handshake *peer,
                                     char *reason, size_t reason_len)
{
    enum acquaintance verdict;
    bool own_has = standing_has_identity(&own->standing);
    bool peer_has = standing_has_identity(&peer->standing);

    if (!names_fit(own, peer, reason, reason_len)) {
        return ACQUAINTANCE_STRANGER;
    }
    verdict = own_has && peer_has   ? judge_known(own, peer, reason, reason_len)
              : own_has || peer_has ? judge_half(own, peer, reason, reason_len)
                                    : judge_fresh(own, peer, reason, reason_len);
    return judge_loss(verdict, own, peer, reason, reason_len);
}

bool acquaintance_ends_founding(const struct handshake *own, const struct handshake *peer)
{
    return own->standing.state == STANDING_FOUNDING && !standing_has_identity(&own->standing) &&
           standing_has_identity(&peer->standing) && standing_names(&own->standing, peer->sender) &&
           (!takes_over(&own->standing, &peer->standing) || loss_of(own, peer) != LOSS_NONE);
}
