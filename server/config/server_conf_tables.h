/* The option tables of our own settings. Private to server_conf*.c. */
#ifndef MUSTER_CONFIG_SERVER_CONF_TABLES_H
#define MUSTER_CONFIG_SERVER_CONF_TABLES_H

#include "server/config/server_conf.h"

extern const struct conf_key server_conf_top_keys[];
extern const struct conf_key server_conf_server_keys[];
extern const struct conf_key server_conf_github_keys[];
extern const struct conf_key server_conf_limits_keys[];
extern const struct conf_key server_conf_policy_keys[];

/* Every cloud of the contract, in this build or not. Ends with name NULL. */
struct server_conf_cloud {
    const char *name, *section; /* "aws", "clouds.aws" */
};
extern const struct server_conf_cloud server_conf_clouds[];

#endif
