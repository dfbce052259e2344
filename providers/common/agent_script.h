/*
 * A bootstrap as an agent runs it: copied into the VM over ssh and started there, detached, by bash; under meda with
 * sudo, under lume as the login user. The script becomes root by itself, with the user's password where sudo asks for
 * one, and does its work only once in a VM: an agent whose last report was lost starts it a second time beside the
 * runner.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AGENT_SCRIPT_H
#define MUSTER_PROVIDERS_COMMON_AGENT_SCRIPT_H

#include "server/base/secret.h"

/* ERR_INVALID when the password holds a control character. */
int agent_script_wrap(const struct secret *bootstrap, const struct secret *password, struct secret **out,
                      struct err *e) MUST_USE;

#endif
