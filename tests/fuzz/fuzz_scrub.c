/* Text for pull requests: any bytes end, nothing grows without bound, and a code span cannot be left. */
#include "tests/fuzz/fuzz.h"

#include "server/base/mem.h"
#include "server/base/scrub.h"
#include "server/base/text.h"

static void check_code(const char *text)
{
    AUTO_BUF struct buf b = BUF_INIT(strlen(text) * 4 + 64);

    markdown_code(&b, text, 4096);
    NEED(!b.over && b.len >= 3 && b.p[0] == '`' && b.p[b.len - 1] == '`');
    NEED(memchr(b.p + 1, '`', b.len - 2) == NULL);
    NEED(strpbrk(b.p, "\r\n|") == NULL);
}

static void check_plain(const char *text)
{
    AUTO_BUF struct buf b = BUF_INIT(strlen(text) * 8 + 64);

    markdown_plain(&b, text, 4096);
    NEED(!b.over);
    for (const char *p = b.p; p != NULL && (p = strchr(p, '@')) != NULL; p++)
        NEED((unsigned char)p[1] == 0xE2); /* a space without width follows: nobody is called */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = mem_strndup((const char *)data, size);
    AUTO_BUF struct buf b = BUF_INIT(size * 8 + 64);
    bool valid = text_utf8_valid(text, strlen(text));

    scrub_add(&b, text);
    NEED(!b.over);
    NEED(!valid || b.len == 0 || text_utf8_valid(b.p, b.len));
    check_code(text);
    check_plain(text);
    return 0;
}
