/* Reading the headers of an answer: the second half of httpc.h. */
#include "server/base/clock.h"
#include "server/base/httpc.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

bool httpc_header(const struct httpc_res *res, const char *name, char *out, size_t size)
{
    const char *line = res->headers.p;
    size_t name_len = strlen(name);

    for (; line != NULL && *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t i = 0, len;

        while (i < name_len && text_lower(line[i]) == text_lower(name[i]))
            i++;
        if (i < name_len || line[i] != ':')
            continue;
        line += i + 1;
        line += strspn(line, " \t");
        len = strcspn(line, "\r\n");
        while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
            len--;
        (void)snprintf(out, size, "%.*s", (int)len, line);
        return true;
    }
    return false;
}

static int until_date_s(const struct httpc_res *res, const char *date)
{
    int64_t then_ms, now_ms = clock_now_ms(), s;
    char answered[64];
    struct err ignored;

    if (text_http_date_ms(date, &then_ms, &ignored))
        return -1;
    /* Measured on the server's own clock where it shows it. */
    if (httpc_header(res, "Date", answered, sizeof(answered)) && text_http_date_ms(answered, &now_ms, &ignored))
        now_ms = clock_now_ms();
    s = (then_ms - now_ms + 999) / 1000;
    return s < 0 ? 0 : s > DAY_S ? DAY_S : (int)s;
}

int httpc_retry_after_s(const struct httpc_res *res)
{
    char text[64];
    int s = 0;

    if (!httpc_header(res, "Retry-After", text, sizeof(text)) || text[0] == '\0')
        return -1;
    if (text[strspn(text, "0123456789")] != '\0')
        return until_date_s(res, text);
    for (const char *p = text; *p != '\0'; p++)
        s = s * 10 + (*p - '0') > DAY_S ? DAY_S : s * 10 + (*p - '0');
    return s;
}
