/* One access token by a credentials file, from a token endpoint: gcp_token FILE URL. Prints the token. */
#include "providers/common/google_creds.h"
#include "tests/support/recorded.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct google_creds_conf c = {.getenv_fn = conf_getenv_process, .timeout_ms = 60 * 1000};
    struct google_creds *creds;
    struct cache_ref *ref;
    struct err e;

    if (argc != 3) {
        (void)fputs("usage: gcp_token FILE URL\n", stderr);
        return 2;
    }
    c.http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    c.file = argv[1];
    c.token_url = argv[2];
    recorded_must(google_creds_open(&c, &creds, &e), "open", &e);
    recorded_must(bearer_get(google_creds_bearer(creds), &ref, &e), "token", &e);
    (void)printf("%s\n", secret_reveal(cache_value(ref)));
    cache_release(ref);
    google_creds_free(creds);
    httpc_free(c.http);
    return 0;
}
