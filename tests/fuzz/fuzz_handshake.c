/* fuzz_handshake.c - the first bytes of a peer, and what a node concludes from them.
 *
 * The first byte chooses whether the checksum is made to fit, and the lengths, and in what standing the node is. Every
 * beginning of a handshake asks for more or is refused, and the two sides judge alike. */
#define XXH_INLINE_ALL
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../raft/peer/acquaintance.h"
#include "../../raft/peer/bytes.h"
#include "input.h"

#define OWN_ID 1
#define PEER_ID 2

#define AT_LENGTH 6
#define AT_EXTENSIONS 30

/* The whole is as long as it is, and what is behind the two names are extensions. */
static void mend_lengths(uint8_t *data, size_t len)
{
    size_t names = (size_t)bytes_get_u16(data + 24) + bytes_get_u16(data + 26);
    size_t head = HANDSHAKE_HEADER_SIZE + names + 4;

    bytes_put_u16(data + AT_LENGTH, (uint16_t)len);
    bytes_put_u16(data + AT_EXTENSIONS, (uint16_t)(len > head ? len - head : 0));
}

static void mend(uint8_t *data, size_t len, bool lengths)
{
    if (len >= HANDSHAKE_HEADER_SIZE + 4) {
        if (lengths) {
            mend_lengths(data, len);
        }
        bytes_put_u32(data + len - 4, (uint32_t)XXH3_64bits(data, len - 4));
    }
}

/* The node's own handshake to that peer. */
static void make_own(struct handshake *own, unsigned how)
{
    struct standing_founder founders[] = {{1, "a:1"}, {2, "b:1"}};

    *own = (struct handshake){.sender = OWN_ID, .receiver = (how & 1) != 0 ? PEER_ID : 0};
    standing_found(&own->standing, "c", founders, 2);
    own->standing.state = (enum standing_state)(how / 2 % 3);
    if ((how & 8) != 0) {
        memset(own->standing.identity, 'i', sizeof own->standing.identity);
    }
    strcpy(own->cluster, "c");
    strcpy(own->address, "a:1");
}

static void judge(const struct handshake *peer, unsigned how)
{
    struct handshake *own = malloc(sizeof *own);
    char *reason = calloc(1, 2048);
    struct lives_seen *seen = calloc(1, sizeof *seen);
    struct lives lives = {0};
    struct life life;

    assert(own != NULL && reason != NULL && seen != NULL);
    make_own(own, how);
    lives_begin(&lives, 7);
    acquaintance_tell(own, &lives, seen, peer->sender);
    (void)acquaintance_note(seen, peer);
    acquaintance_present(peer, &life);
    acquaintance_tell(own, &lives, seen, peer->sender);
    enum acquaintance ours = acquaintance_judge(own, peer, reason, 2048);
    assert(ours == ACQUAINTANCE_FITS || ours == ACQUAINTANCE_ADOPT || reason[0] != '\0');
    (void)acquaintance_ends_founding(own, peer);
    if (peer->receiver == OWN_ID && peer->sender == PEER_ID && own->receiver == PEER_ID) {
        enum acquaintance theirs = acquaintance_judge(peer, own, reason, 2048);
        bool fits = ours == ACQUAINTANCE_FITS || ours == ACQUAINTANCE_ADOPT;
        assert(fits == (theirs == ACQUAINTANCE_FITS || theirs == ACQUAINTANCE_ADOPT));
    }
    free(own);
    free(reason);
    free(seen);
}

/* What was decoded can be told again, in the same bytes: its founders stand among the extensions. */
static void encode_again(const struct handshake *h, struct slice bytes)
{
    struct handshake *again = malloc(sizeof *again);
    uint8_t *out = malloc(HANDSHAKE_MAX);

    assert(again != NULL && out != NULL);
    *again = *h;
    again->standing.founders[0] = '\0';
    size_t len = handshake_encode(again, out);
    assert(len == bytes.len && memcmp(out, bytes.data, len) == 0);
    free(again);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    unsigned how = (unsigned)input_number(&in, 1);
    struct slice rest = input_rest(&in);
    uint8_t *bytes = input_copy(rest);
    struct handshake *h = calloc(1, sizeof *h);
    char reason[256] = "";
    size_t used = 0;

    assert(h != NULL);
    if ((how & 128) != 0) {
        mend(bytes, rest.len, (how & 64) != 0);
    }
    enum handshake_status status = handshake_decode(bytes, rest.len, h, &used, reason,
                                                    sizeof reason);
    assert(status != HANDSHAKE_BAD || reason[0] != '\0');
    if (status == HANDSHAKE_DONE) {
        assert(used > 0 && used <= rest.len);
        encode_again(h, (struct slice){bytes, used});
        judge(h, how);
    }
    free(h);
    free(bytes);
    return 0;
}
