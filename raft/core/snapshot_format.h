/* snapshot_format.h - the numbers that the writer and the reader of a snapshot share. */
#ifndef SNAPSHOT_FORMAT_H
#define SNAPSHOT_FORMAT_H

#define SNAPSHOT_HEAD_SIZE 12u    /* magic and version */
#define SNAPSHOT_SUM_SIZE 8u      /* checksum at the end, up to version 2 */
#define SNAPSHOT_TRAILER_SIZE 32u /* u64 length of the base, sums of base, tail and trailer */
#define SNAPSHOT_MACHINE_FIELDS 14u
#define SNAPSHOT_MACHINE_FIELDS_5 13u /* from version 5 to 9 */
#define SNAPSHOT_MACHINE_FIELDS_4 9u  /* in version 4 */
#define SNAPSHOT_MACHINE_FIELDS_3 6u  /* up to version 3 */
#define SNAPSHOT_VERSION_PLAIN 5u  /* what is written as long as there never was a principal... */
#define SNAPSHOT_VERSION_GRANTS 6u /* ...as long as the audit trail has had no row... */
#define SNAPSHOT_VERSION_AUDIT \
    7u /* ...as long as nobody has a quota, and no use of a token was noted... */
#define SNAPSHOT_VERSION_QUOTAS 8u /* ...as long as no request id was keyed... */
#define SNAPSHOT_VERSION_KEYED 9u  /* ...and as long as no order had a traceparent */
#define SNAPSHOT_ROUTE_FIELDS 6u
#define SNAPSHOT_ROUTE_FIELDS_4 5u /* from version 2 to 4 */
#define SNAPSHOT_ROUTE_FIELDS_1 8u /* in version 1 */
#define SNAPSHOT_ANSWER_FIELDS 5u
#define SNAPSHOT_ORDER_FIELDS 10u
#define SNAPSHOT_ORDER_MORE 2u   /* more at most: its charge, its traceparent */
#define SNAPSHOT_EXTRA_FIELDS 7u /* more, for an order that has something in its extra part */
#define SNAPSHOT_EXTRA_FIELDS_1 5u
#define SNAPSHOT_HISTORY_FIELDS 3u

#endif
