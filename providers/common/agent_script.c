#include "providers/common/agent_script.h"

static const char become_root[] = "#!/bin/bash\n"
                                  "if [ \"$(id -u)\" != 0 ]; then\n"
                                  "sudo -n true 2>/dev/null && exec sudo -n bash \"$0\"\n"
                                  "exec sudo -S -p '' bash \"$0\" <<<'";
static const char only_once[] = "'\n"
                                "fi\n"
                                "chmod 700 \"$0\"\n"
                                "once=${MUSTER_ROOT:-}/var/tmp/muster.once\n"
                                "mkdir \"$once\" 2>/dev/null || [ ! -d \"$once\" ] || exit 0\n";

/* Within single quotes the shell changes nothing; a quote itself is '\''. */
static int add_quoted(struct buf *b, const struct secret *s, struct err *e)
{
    const char *text = secret_reveal(s);

    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return err_set(e, ERR_INVALID, "agent_login_password holds a control character");
        if (*text == '\'')
            buf_adds(b, "'\\''");
        else
            buf_addc(b, *text);
    }
    return 0;
}

int agent_script_wrap(const struct secret *bootstrap, const struct secret *password, struct secret **out, struct err *e)
{
    struct buf b = BUF_INIT(secret_len(bootstrap) + 4 * secret_len(password) + sizeof(become_root) + sizeof(only_once));
    int rc;

    buf_reserve(&b, b.max); /* no copy of it is left behind */
    buf_adds(&b, become_root);
    rc = add_quoted(&b, password, e);
    if (rc == 0) {
        buf_adds(&b, only_once);
        buf_add(&b, secret_reveal(bootstrap), secret_len(bootstrap));
        rc = secret_from_buf(&b, out, e);
    }
    buf_wipe(&b);
    return rc;
}
