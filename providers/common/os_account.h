/*
 * Who we are to an OpenStack cloud, and which part of it we use: from the account's settings (and OS_* variables, which
 * the table of settings names), or from the files that OpenStack's own clients share.
 * https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
 *
 * clouds.yaml is $OS_CLIENT_CONFIG_FILE, or the first found of ./, ~/.config/openstack/, /etc/openstack/ (also with the
 * ending .yml); secure.yaml, or $OS_CLIENT_SECURE_FILE, is found the same way and laid over it. Credentials come from
 * one source as a whole: a file's cloud when one is named (`cloud`, $OS_CLOUD), else the settings, else the only cloud
 * of the file. Region, interface, network and endpoints of the settings count before the file's.
 *
 * Not honoured: vendor profiles, certificates per cloud (`cacert`; $SSL_CERT_FILE serves all), `verify: false`.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OS_ACCOUNT_H
#define MUSTER_PROVIDERS_COMMON_OS_ACCOUNT_H

#include "server/base/conf.h"

#define OS_FILE_MAX ((size_t)256 * 1024)

/* NULL = unset. Owns everything. */
struct os_account {
    char *auth_url; /* without a final '/' */
    char *username, *user_id, *user_domain_id, *user_domain_name;
    struct secret *password;
    char *project_id, *project_name, *project_domain_id, *project_domain_name;
    char *credential_id, *credential_name; /* application credential */
    struct secret *credential_secret;
    char *region;
    char *interface;                             /* "public", "internal" or "admin" */
    char *network;                               /* name or id */
    char *compute_url, *image_url, *network_url; /* instead of the catalogue's */
};
#define AUTO_OS_ACCOUNT AUTO(os_account_clear)

/* The settings that os_account_load reads, to be the provider's account_keys. */
extern const struct conf_key os_account_keys[];

/* Does the environment alone name an account? */
bool os_account_in_env(conf_getenv_fn *getenv_fn, void *arg);

/* *out is overwritten. ERR_INVALID with the remedy: unreadable or malformed file, no such cloud, credentials that are
 * incomplete or of a kind we do not know. offline: for showing requests only; no file is read and nothing need be
 * there, auth_url stays NULL then. */
int os_account_load(const struct conf *acct, conf_getenv_fn *getenv_fn, void *arg, bool offline, struct os_account *out,
                    struct err *e) MUST_USE;
void os_account_clear(struct os_account *a);

#endif
