/* .access.yml: never fails; after an error it grants nothing, and what it grants is complete. */
#include "tests/fuzz/fuzz.h"

#include "server/base/text.h"
#include "server/config/access_yml.h"

static void check_text(const char *s)
{
    NEED(s != NULL && *s != '\0' && text_utf8_valid(s, strlen(s)));
}

static void check_list(const struct access_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        check_text(l->items[i]);
}

static void check_policy(const struct access_policy *p)
{
    check_text(p->id);
    check_text(p->repo);
    check_list(&p->teams);
    check_list(&p->roles);
    check_list(&p->users);
    NEED(p->restricted || (p->teams.n + p->roles.n + p->users.n == 0 && p->users_from_json == NULL));
    NEED(p->line >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access_yml *a = access_yml_parse((const char *)data, size, ".access.yml");
    struct err e = {.kind = ERR_NONE};

    NEED(a != NULL);
    for (size_t i = 0; i < a->n_diags; i++)
        NEED(a->diags[i].message[0] != '\0' && text_utf8_valid(a->diags[i].message, strlen(a->diags[i].message)));
    if (a->n_errors > 0) {
        NEED(a->n_rules == 0 && a->n_policies == 0);
        NEED(access_yml_error(a, ".access.yml", &e) == -1 && e.kind == ERR_INVALID);
    }
    for (size_t i = 0; i < a->n_policies; i++)
        check_policy(&a->policies[i]);
    for (size_t i = 0; i < a->n_rules; i++) {
        check_text(a->rules[i].resource);
        for (size_t k = 0; k < a->rules[i].n_policies; k++)
            NEED(a->rules[i].policies[k] >= a->policies && a->rules[i].policies[k] < a->policies + a->n_policies);
    }
    access_yml_free(a);
    return 0;
}
