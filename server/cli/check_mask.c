/* Secrets in a file under examination: neither its lines nor what is said of them show one. */
#include "server/base/mem.h"
#include "server/cli/check_int.h"
#include "server/cli/glyph.h"
#include "server/config/secret_look.h"

#include <stdlib.h>
#include <string.h>

/* A piece of a secret that is shorter says little, and is found everywhere. */
#define MIN_PIECE 4
/* A line of base64 as long as this, in a file that could not be read: the inside of a key. */
#define MIN_KEY_LINE 40

struct check_mask {
    int line; /* 0 = none yet */
    bool *hide;
};

static void hide_all(bool *hide, size_t at, size_t n)
{
    memset(hide + at, true, n);
}

/* What looks like a secret by itself. */
static void hide_looks(const char *s, size_t len, bool *hide)
{
    struct secret_look hit;

    for (size_t at = 0; secret_look_line(s, len, at, &hit); at = hit.at + hit.len)
        hide_all(hide, hit.at, hit.len);
}

/* The pieces of a secret between its line ends, wherever they stand. */
static void hide_pieces(const char *secret, const char *s, size_t len, bool *hide)
{
    while (*secret != '\0') {
        size_t n = strcspn(secret, "\r\n"), skip = strspn(secret, " \t");
        const char *piece = secret + skip, *at = s, *hit;

        if (n >= skip + MIN_PIECE) {
            while ((hit = memmem(at, len - (size_t)(at - s), piece, n - skip)) != NULL) {
                hide_all(hide, (size_t)(hit - s), n - skip);
                at = hit + (n - skip);
            }
        }
        secret += n + strspn(secret + n, "\r\n");
    }
}

/* The line of a private key: nothing but base64. */
static void hide_key_line(const char *s, size_t len, bool *hide)
{
    size_t n = 0, lead = 0;

    while (lead < len && s[lead] == ' ')
        lead++;
    while (lead + n < len && s[lead + n] != '\0' &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", s[lead + n]) != NULL)
        n++;
    if (n >= MIN_KEY_LINE && lead + n == len)
        hide_all(hide, lead, n);
}

static void hide_secrets(const struct check_file *f, int number, const char *line, size_t len, bool *hide)
{
    for (size_t i = 0; f->lints != NULL && i < f->lints->n_secrets; i++) {
        const struct yaml_node *n = f->lints->secrets[i];
        size_t from, to;

        hide_pieces(n->text, line, len, hide);
        if (n->line != number)
            continue;
        from = glyph_skip(line, len, (size_t)n->column - 1);
        to = n->end_column > 0 ? glyph_skip(line, len, (size_t)n->end_column - 1) : len;
        hide_all(hide, from, to - from);
    }
}

const bool *check_mask_line(const struct check_file *f, int number)
{
    struct check_mask *m = f->mask;
    size_t len;
    const char *line = check_line(f, number, &len);

    if (m->line == number)
        return m->hide;
    free(m->hide);
    m->line = number;
    m->hide = mem_calloc(len + 1, sizeof(*m->hide));
    hide_looks(line, len, m->hide);
    if (f->yml == NULL || f->yml->doc == NULL)
        hide_key_line(line, len, m->hide);
    hide_secrets(f, number, line, len, m->hide);
    return m->hide;
}

struct check_mask *check_mask_new(void)
{
    return mem_zalloc(sizeof(struct check_mask));
}

void check_mask_free(struct check_mask *m)
{
    if (m != NULL)
        free(m->hide);
    free(m);
}

void check_mask_text(const struct check_file *f, const char *text, struct buf *out)
{
    size_t len = strlen(text);
    AUTO_FREE bool *hide = mem_calloc(len + 1, sizeof(*hide));

    hide_looks(text, len, hide);
    for (size_t i = 0; f->lints != NULL && i < f->lints->n_secrets; i++)
        hide_pieces(f->lints->secrets[i]->text, text, len, hide);
    for (size_t i = 0; i < len; i++) {
        if (!hide[i])
            buf_addc(out, text[i]);
        else if (i == 0 || !hide[i - 1])
            buf_adds(out, "***");
    }
}
