#include "server/cli/cli.h"

#include "server/cli/glyph.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_fail(const struct err *e)
{
    (void)fprintf(stderr, "muster: %s\n", e->msg);
    return CLI_FAILED;
}

static void print_help(const struct cli_command *c)
{
    (void)printf("usage: muster %s %s\n\n%s\n\noptions:\n", c->name, c->synopsis, c->help);
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "%s%s%s%s%s", o->brief != NULL ? o->brief : "", o->brief != NULL ? ", " : "",
                       o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        (void)printf("  %-24s %s\n", left, o->help);
    }
    (void)printf("  %-24s %s\n", "-h, --help", "this text");
}

/* Match "--name", "--name=value" or "-n"; *inline_value is what stands behind '='. */
static const struct cli_option *find(const struct cli_command *c, const char *word, const char **inline_value)
{
    *inline_value = NULL;
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        size_t n = strlen(o->name);

        if (strcmp(word, o->name) == 0 || (o->brief != NULL && strcmp(word, o->brief) == 0))
            return o;
        if (o->value != NULL && strncmp(word, o->name, n) == 0 && word[n] == '=') {
            *inline_value = word + n + 1;
            return o;
        }
    }
    return NULL;
}

static int usage(const struct cli_command *c, const char *what, const char *word)
{
    (void)fprintf(stderr, "muster %s: %s %s\nusage: muster %s %s (--help tells more)\n", c->name, what, word, c->name,
                  c->synopsis);
    return CLI_USAGE;
}

int cli_parse(const struct cli_command *c, int argc, char **argv,
              int (*each)(void *arg, const struct cli_option *o, const char *value), void *arg)
{
    bool operands = false;

    for (int i = 1; i < argc; i++) {
        const struct cli_option *o;
        const char *value;

        if (!operands && strcmp(argv[i], "--") == 0) {
            operands = true;
            continue;
        }
        if (operands || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (each(arg, NULL, argv[i]))
                return usage(c, "unexpected argument", argv[i]);
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(c);
            return CLI_DONE;
        }
        o = find(c, argv[i], &value);
        if (o == NULL)
            return usage(c, "unknown option", argv[i]);
        if (o->value != NULL && value == NULL && ++i >= argc)
            return usage(c, "a value is missing after", o->name);
        if (o->value != NULL && value == NULL)
            value = argv[i];
        if (each(arg, o, value))
            return usage(c, "not usable:", value != NULL ? value : o->name);
    }
    return -1;
}

int cli_read(const char *file, struct buf *out, struct err *e)
{
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    char chunk[8192];
    ssize_t n = 0;
    int saved;

    if (fd < 0)
        return err_sys(e, ERR_INVALID, errno, "%s: cannot be opened", file);
    while (!out->over && (n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(out, chunk, (size_t)n);
    saved = errno;
    if (fd != STDIN_FILENO)
        (void)close(fd);
    if (out->over)
        return err_set(e, ERR_INVALID, "%s: the file is larger than %zu bytes", file, out->max);
    return n < 0 ? err_sys(e, ERR_INVALID, saved, "%s: cannot be read", file) : 0;
}

void cli_print_plain(const char *s, size_t len)
{
    while (len > 0) {
        struct glyph g = glyph_next(s, len);

        (void)fwrite(g.shown, 1, g.shown_len, stdout);
        s += g.len;
        len -= g.len;
    }
}
