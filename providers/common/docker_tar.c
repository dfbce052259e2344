#include "providers/common/docker_tar.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512

/* https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format" */
struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], typeflag, linkname[100], magic[6],
        version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};

static void pad(struct buf *out, size_t n)
{
    static const char zeros[BLOCK];

    buf_add(out, zeros, n);
}

void docker_tar_file(struct buf *out, const char *name, unsigned mode, const char *data, size_t len)
{
    struct ustar h;
    const unsigned char *bytes = (const unsigned char *)&h;
    unsigned sum = 0;

    memset(&h, 0, sizeof(h));
    (void)snprintf(h.name, sizeof(h.name), "%s", name);
    (void)snprintf(h.mode, sizeof(h.mode), "%07o", mode & 07777);
    (void)snprintf(h.uid, sizeof(h.uid), "%07o", 0);
    (void)snprintf(h.gid, sizeof(h.gid), "%07o", 0);
    (void)snprintf(h.size, sizeof(h.size), "%011zo", len);
    (void)snprintf(h.mtime, sizeof(h.mtime), "%011o", 0);
    h.typeflag = '0';
    memcpy(h.magic, "ustar", sizeof(h.magic));
    memcpy(h.version, "00", sizeof(h.version));
    memset(h.chksum, ' ', sizeof(h.chksum)); /* counted as blanks */
    for (size_t i = 0; i < sizeof(h); i++)
        sum += bytes[i];
    (void)snprintf(h.chksum, sizeof(h.chksum) - 1, "%06o", sum);
    buf_add(out, &h, sizeof(h));
    buf_add(out, data, len);
    pad(out, (BLOCK - len % BLOCK) % BLOCK);
    pad(out, BLOCK);
    pad(out, BLOCK);
}
