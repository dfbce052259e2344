#include "server/github/path.h"

#include "server/base/text.h"

#include <string.h>

/* Escaped, "." and ".." still mean something to servers. */
int path_segment(struct buf *out, const char *s, size_t len, struct err *e)
{
    if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
        return err_set(e, ERR_INVALID, "an empty, \".\" or \"..\" part in a path");
    buf_addc(out, '/');
    text_url_escape(out, s, len);
    return 0;
}

int path_segments(struct buf *out, const char *path, struct err *e)
{
    for (;;) {
        size_t len = strcspn(path, "/");

        if (path_segment(out, path, len, e))
            return -1;
        if (path[len] == '\0')
            return 0;
        path += len + 1;
    }
}

int path_repo(struct buf *out, const char *repo, struct err *e)
{
    const char *slash = strchr(repo, '/');

    if (slash == NULL || strchr(slash + 1, '/') != NULL)
        return err_set(e, ERR_INVALID, "repository \"%.100s\": expected owner/name", repo);
    buf_adds(out, "/repos");
    if (path_segments(out, repo, e))
        return err_wrap(e, "repository \"%.100s\"", repo);
    return 0;
}
