/*
 * The account that OS_* and clouds.yaml of this environment stand for, as JSON, for openstack_clouds.py to compare with
 * what OpenStack's own SDK makes of them: {"auth_url", ...}, or {"error": TEXT}.
 *
 * usage: openstack_clouds
 */
#include "providers/common/os_account.h"
#include "server/base/json.h"

#include <stdio.h>

int main(void)
{
    AUTO_CONF struct conf *acct = conf_new("clouds.openstack", os_account_keys);
    AUTO_OS_ACCOUNT struct os_account a = {0};
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    struct err e;
    int rc;

    if (conf_load_env(acct, conf_getenv_process, NULL, &e) ||
        os_account_load(acct, conf_getenv_process, NULL, false, &a, &e))
        rc = js_pack(&e, &doc, "{s:s}", "error", e.msg);
    else
        rc = js_pack(&e, &doc,
                     "{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}",
                     "auth_url", a.auth_url, "username", a.username, "user_id", a.user_id, "password",
                     a.password != NULL ? secret_reveal(a.password) : NULL, "user_domain_id", a.user_domain_id,
                     "user_domain_name", a.user_domain_name, "project_id", a.project_id, "project_name", a.project_name,
                     "project_domain_id", a.project_domain_id, "project_domain_name", a.project_domain_name,
                     "application_credential_id", a.credential_id, "application_credential_secret",
                     a.credential_secret != NULL ? secret_reveal(a.credential_secret) : NULL, "region", a.region,
                     "interface", a.interface, "compute_endpoint_override", a.compute_url);
    if (rc != 0 || js_dump(doc, &text, &e)) {
        (void)fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    return puts(text) < 0;
}
