#include "server/config/users_json.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

struct users_json {
    json_t *list; /* of objects, each checked */
};

static int check_entry(const json_t *entry, size_t number, struct err *e)
{
    const json_t *login = json_object_get(entry, "github"), *id = json_object_get(entry, "id");
    size_t known = (size_t)(login != NULL) + (size_t)(id != NULL);

    if (!json_is_object(entry) || known == 0 || json_object_size(entry) != known)
        return err_set(e, ERR_INVALID, "users.%zu: expected {\"github\": login, \"id\": number} and no other key",
                       number);
    if (login != NULL && (!json_is_string(login) || *json_string_value(login) == '\0'))
        return err_set(e, ERR_INVALID, "users.%zu.github: expected a login", number);
    if (id != NULL && (!json_is_integer(id) || json_integer_value(id) <= 0))
        return err_set(e, ERR_INVALID, "users.%zu.id: expected a positive number", number);
    return 0;
}

static int check(const json_t *root, struct err *e)
{
    json_t *list;

    if (!json_is_object(root) || json_object_size(root) != 1 || json_object_get(root, "users") == NULL)
        return err_set(e, ERR_INVALID, "expected {\"users\": [...]} and no other key");
    if (js_arr(root, "users", &list, e))
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (check_entry(json_array_get(list, i), i, e))
            return -1;
    }
    return 0;
}

int users_json_parse(const char *text, size_t len, struct users_json **out, struct err *e)
{
    AUTO_JSON json_t *root = NULL;
    struct users_json *u;

    if (len > USERS_JSON_MAX)
        return err_set(e, ERR_INVALID, "it is larger than %zu bytes", USERS_JSON_MAX);
    if (js_parse(text, len, &root, e) || check(root, e))
        return -1;
    u = mem_zalloc(sizeof(*u));
    u->list = json_incref(json_object_get(root, "users"));
    *out = u;
    return 0;
}

void users_json_free(struct users_json *u)
{
    if (u == NULL)
        return;
    json_decref(u->list);
    free(u);
}

size_t users_json_count(const struct users_json *u)
{
    return json_array_size(u->list);
}

bool users_json_has(const struct users_json *u, const char *login, int64_t id)
{
    for (size_t i = 0; i < json_array_size(u->list); i++) {
        const json_t *entry = json_array_get(u->list, i), *number = json_object_get(entry, "id");

        if (number != NULL ? id != 0 && json_integer_value(number) == id
                           : *login != '\0' && text_ieq(json_string_value(json_object_get(entry, "github")), login))
            return true;
    }
    return false;
}
