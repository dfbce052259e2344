/*
 * The disks of an OpenStack server, as extra_config.block_device_mapping_v2 asks for them: Nova's own list, in which
 * the boot device (boot_index 0) needs no uuid: it is the machine's image. Everything made for the machine ends with
 * it; an existing volume stays unless delete_on_termination says otherwise.
 * https://docs.openstack.org/nova/latest/user/block-device-mapping.html
 */
#ifndef MUSTER_PROVIDERS_COMMON_OS_DISKS_H
#define MUSTER_PROVIDERS_COMMON_OS_DISKS_H

#include "server/base/json.h"

#define OS_VOLUME_GB 50 /* of the volume that a machine boots from when its flavor has no disk and nothing is said */

/* extra: extra_config, or NULL. ERR_INVALID naming the key. */
int os_disks_check(const json_t *extra, struct err *e) MUST_USE;

/* Does a disk bring what is in the account already (a volume, a snapshot, another image than the machine's)?
 * ERR_INVALID: it does. */
int os_disks_rights_check(const json_t *extra, struct err *e) MUST_USE;

/* The list for the creation, NULL = none; the caller owns it. from_volume: imageRef has to be left out. */
int os_disks_make(const json_t *extra, const char *image, int64_t flavor_disk_gb, json_t **out, bool *from_volume,
                  struct err *e) MUST_USE;

#endif
