#include "server/base/httpc_public.h"

#include "server/base/address.h"
#include "server/base/attr.h"

static bool has_https_proxy(void)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && *value != '\0')
            return true;
    }
    return false;
}

/* Looked at here and not by resolving first: this is the address that is connected to. */
static curl_socket_t open_public(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    bool *not_public = arg;

    (void)purpose;
    if (address_is_public(&addr->addr))
        return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    *not_public = true;
    return CURL_SOCKET_BAD;
}

CURLcode httpc_set_public_only(CURL *easy, bool *not_public)
{
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);

    if (rc == CURLE_OK && has_https_proxy())
        return curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, not_public);
    return rc;
}
