/*
 * run_only_when_triggered_by at the top of a file of runners: the team whose members alone get machines. Pure.
 *
 * At the top of .cirun.global.yml it holds for every repository of the organisation and stands in place of what their
 * own runners say (Cirun's documentation of .cirun.yml, "Cirun Global Configuration"); at the top of a .cirun.yml, for
 * all runners there. It counts whatever else is wrong with the file: what restricts is never ignored.
 */
#ifndef MUSTER_CONFIG_ORG_TEAM_H
#define MUSTER_CONFIG_ORG_TEAM_H

#include "server/config/cirun_yml.h"

#define ORG_TEAM_MAX 200

enum org_team {
    ORG_TEAM_NONE,   /* no restriction */
    ORG_TEAM_NAMED,  /* out holds its name */
    ORG_TEAM_UNCLEAR /* there is one and it names no team, or the text is no YAML: nobody may */
};

/* text: what the file was parsed from; NULL when it is not at hand and the file is YAML. */
enum org_team org_team_read(const struct cirun_yml *file, const char *text, char out[ORG_TEAM_MAX]);

#endif
