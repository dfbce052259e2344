/* The mappings of .access.yml; access_yml.c reads it. What is not understood there grants nothing. */
#include "server/config/cirun_keys.h"

#include "server/base/attr.h"

#define KEYS(list) .keys = (list), .n = ARRAY_LEN(list)

#define PEOPLE(key, what, sample)                                                                                      \
    {                                                                                                                  \
        .name = (key), .type = CIRUN_TEXT, .many = CIRUN_LIST, .flags = CIRUN_SET | CIRUN_RESTRICTS, .help = (what),   \
        .example = (sample)                                                                                            \
    }

static const struct cirun_key policy_keys[] = {
    {.name = "id",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .help = "What access_control calls it; unique in the file.",
     .example = "training"},
    {.name = "repo",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_RESTRICTS,
     .help = "The repository it is for: its name, or owner/name.",
     .example = "models"},
    PEOPLE("teams", "Members of one of these teams of the organisation.", "[ml-team]"),
    PEOPLE("roles", "Whoever has one of these roles in the repository: admin, maintain, write, triage, read.",
           "[admin, write]"),
    PEOPLE("users", "These users.", "[octocat]"),
    {.name = "users_from_json",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET | CIRUN_RESTRICTS,
     .help = "The users that a JSON document behind an https:// URL lists, on a host that the operator allows.",
     .example = "https://example.com/users.json"},
    {.name = "pull_request",
     .type = CIRUN_BOOL,
     .flags = CIRUN_SET | CIRUN_RESTRICTS,
     .def = "false",
     .help = "Runs of pull requests, too.",
     .example = "true"},
};
const struct cirun_map cirun_policy_map = {
    .id = "policy",
    .where = "a policy",
    .title = "A policy",
    .help =
        "Who may, in one repository. Teams, roles and users are alternatives; without any of them everybody who can "
        "start a run there. A policy with an unknown key grants nothing.",
    KEYS(policy_keys)};

static const struct cirun_key control_keys[] = {
    {.name = "resource",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_RESTRICTS,
     .help = "Name of a runner of .cirun.global.yml. Named twice, both entries count.",
     .example = "gpu-runner"},
    {.name = "policies",
     .type = CIRUN_TEXT,
     .many = CIRUN_LIST,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_RESTRICTS,
     .help = "Ids of policies, one of which must allow.",
     .example = "[training]"},
};
const struct cirun_map cirun_control_map = {.id = "access_control",
                                            .where = "an entry of access_control",
                                            .title = "An entry of access_control",
                                            .help = "Which policies open a runner. An entry with an unknown key grants "
                                                    "nothing.",
                                            KEYS(control_keys)};

static const struct cirun_key access_keys[] = {
    {.name = "version",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .min = 1,
     .max = 1,
     .help = "Of the format. A file of another version grants nothing.",
     .example = "1"},
    {.name = "policies",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_RESTRICTS,
     .of = &cirun_policy_map,
     .help = "Who may."},
    {.name = "access_control",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_RESTRICTS,
     .of = &cirun_control_map,
     .help = "What. A runner that is not named here is nobody's."},
};
const struct cirun_map cirun_access_map = {.id = "access",
                                           .where = ".access.yml",
                                           .title = ".access.yml",
                                           .help =
                                               "Beside .cirun.global.yml: who may use which of its runners. When the "
                                               "file is there, what it does not allow is denied.",
                                           KEYS(access_keys),
                                           .is_closed = true};
