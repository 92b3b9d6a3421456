/* fuzz_name.c - the names that certificates carry: one name has one spelling. */
#include <assert.h>
#include <string.h>

#include "../../client/wire/certificate_name.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *uri = (const char *)data;
    char out[CERTIFICATE_URI_MAX + 1];
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char dns[CERTIFICATE_DNS_MAX + 1];
    struct certificate_name name;

    bool is_name = certificate_name_read(uri, size, &name);
    if (is_name) {
        assert(name.kind != CERTIFICATE_NODE || (name.node > 0 && name.client[0] == '\0'));
        certificate_name_write(&name, out);
        assert(strlen(out) == size && memcmp(out, uri, size) == 0);
        certificate_dns_write(name.cluster, dns);
        assert(strlen(dns) > strlen(name.cluster));
    }
    if (certificate_authority_read(uri, size, cluster)) {
        assert(!is_name);
        certificate_authority_write(cluster, out);
        assert(strlen(out) == size && memcmp(out, uri, size) == 0);
    }
    return 0;
}
