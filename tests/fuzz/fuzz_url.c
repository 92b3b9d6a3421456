/* fuzz_url.c - the URL of a webhook: what is taken for one is one for libcurl, too, and leads to the host
 * that is shown; and the addresses of members. */
#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/route_check.h"
#include "../../raft/transport/address.h"
#include "input.h"

/* A user, or password, of which there may be none, can be sent. */
static void judge_part(CURLU *url, CURLUPart part, CURLUcode none)
{
    char *text = NULL;
    CURLUcode error = curl_url_get(url, part, &text, CURLU_URLDECODE);

    assert(error == CURLUE_OK || error == none);
    curl_free(text);
}

static void judge_shown(const char *url, const char *shown)
{
    CURLU *theirs = curl_url(), *ours = curl_url();
    char *host = NULL, *shown_host = NULL, *port = NULL, *shown_port = NULL;

    assert(theirs != NULL && ours != NULL);
    CURLUcode error = curl_url_set(theirs, CURLUPART_URL, url, 0);
    assert(error == CURLUE_OK);
    error = curl_url_set(ours, CURLUPART_URL, shown, 0);
    assert(error == CURLUE_OK);
    error = curl_url_get(theirs, CURLUPART_HOST, &host, 0);
    assert(error == CURLUE_OK);
    error = curl_url_get(ours, CURLUPART_HOST, &shown_host, 0);
    assert(error == CURLUE_OK && strcmp(host, shown_host) == 0);
    error = curl_url_get(theirs, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    assert(error == CURLUE_OK);
    error = curl_url_get(ours, CURLUPART_PORT, &shown_port, CURLU_DEFAULT_PORT);
    assert(error == CURLUE_OK && strcmp(port, shown_port) == 0);
    judge_part(theirs, CURLUPART_USER, CURLUE_NO_USER);
    judge_part(theirs, CURLUPART_PASSWORD, CURLUE_NO_PASSWORD);
    curl_free(host);
    curl_free(shown_host);
    curl_free(port);
    curl_free(shown_port);
    curl_url_cleanup(theirs);
    curl_url_cleanup(ours);
}

static void take_url(struct slice url)
{
    char out[ROUTE_URL_SHOWN_MAX];
    const char *problem = route_url_problem(url);
    size_t len = route_url_show(url, out);

    assert(len <= sizeof out);
    if (problem == NULL) {
        assert(len > 0);
        char *text = input_text(url);
        char *shown = input_text((struct slice){(const uint8_t *)out, len});
        judge_shown(text, shown);
        free(text);
        free(shown);
    }
}

static void take_address(struct slice bytes)
{
    char *text = input_text(bytes);
    char name[TRANSPORT_NAME_SIZE];
    struct transport_address address;
    struct sockaddr_storage at;

    if (transport_address_split(text, &address) == 0) {
        assert(address.host[0] != '\0' && atoi(address.port) > 0);
        if (transport_address_numeric(&address, &at)) {
            transport_sockaddr_name((struct sockaddr *)&at, name);
            (void)transport_sockaddr_is_loopback((struct sockaddr *)&at);
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {data, size};

    take_url(bytes);
    take_address(bytes);
    return 0;
}
