#include "providers/common/origin.h"

#include "server/base/text.h"

#include <string.h>

int origin_split(const char *url, char *host, size_t size, const char **path, struct err *e)
{
    const char *p = strstr(url, "://");
    bool https = text_has_prefix(url, "https");
    size_t n;

    if (p == NULL)
        return err_set(e, ERR_INVALID, "endpoint is not a URL");
    p += 3;
    n = strcspn(p, "/?");
    if (n == 0 || n >= size)
        return err_set(e, ERR_INVALID, "endpoint has no host name, or one that is too long");
    memcpy(host, p, n);
    host[n] = '\0';
    if (text_has_suffix(host, https ? ":443" : ":80"))
        host[n - (https ? 4 : 3)] = '\0';
    *path = p + n;
    return 0;
}
