#include "providers/common/oci_region.h"

#include "providers/common/rest.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

bool oci_is_ocid(const char *s, const char *kind)
{
    size_t n = kind != NULL ? strlen(kind) : 0;

    if (!text_has_prefix(s, "ocid1.") || !rest_is_id(s, "._-", 255))
        return false;
    return kind == NULL || (strncmp(s + 6, kind, n) == 0 && s[6 + n] == '.');
}

void oci_domain(const char *ocid, char out[OCI_REGION_SIZE])
{
    static const struct {
        const char *realm, *domain;
    } named[] = {{"oc1", "oraclecloud.com"},
                 {"oc2", "oraclegovcloud.com"},
                 {"oc3", "oraclegovcloud.com"},
                 {"oc4", "oraclegovcloud.uk"},
                 {"oc19", "oraclecloud.eu"}};
    const char *kind = ocid != NULL ? strchr(ocid, '.') : NULL, *realm = kind != NULL ? strchr(kind + 1, '.') : NULL;
    size_t n = realm != NULL ? strcspn(realm + 1, ".") : 0;

    (void)snprintf(out, OCI_REGION_SIZE, "oraclecloud.com");
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        if (n == strlen(named[i].realm) && strncmp(realm + 1, named[i].realm, n) == 0) {
            (void)snprintf(out, OCI_REGION_SIZE, "%s", named[i].domain);
            return;
        }
    }
    if (n > 2 && n < 8) /* oc8, oc9, ...: the number stands in the domain */
        (void)snprintf(out, OCI_REGION_SIZE, "oraclecloud%.*s.com", (int)(n - 2), realm + 3);
}

/* "EU-FRANKFURT-1-AD-2" without "-AD-2", in small letters; the two oldest regions have shorter names there. */
static bool region_of_domain(const char *name, char region[OCI_REGION_SIZE])
{
    const char *end = strstr(name, "-AD-");
    size_t n = end != NULL ? (size_t)(end - name) : 0;

    if (n == 0 || n >= OCI_REGION_SIZE || end[4] < '1' || end[4] > '9' || end[5] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        region[i] = text_lower(name[i]);
    region[n] = '\0';
    if (strcmp(region, "phx") == 0)
        (void)snprintf(region, OCI_REGION_SIZE, "us-phoenix-1");
    else if (strcmp(region, "us-ashburn") == 0)
        (void)snprintf(region, OCI_REGION_SIZE, "us-ashburn-1");
    return true;
}

int oci_region_of(const char *place, char region[OCI_REGION_SIZE], bool *is_domain, struct err *e)
{
    const char *colon = strchr(place, ':');
    char found[OCI_REGION_SIZE] = "";

    if (colon != NULL && rest_is_id(place, ":-", 100) && region_of_domain(colon + 1, found)) {
        *is_domain = true;
    } else if (colon == NULL && rest_is_id(place, "-", OCI_REGION_SIZE - 1) && strchr(place, '-') != NULL) {
        (void)snprintf(found, sizeof(found), "%s", place);
        *is_domain = false;
    } else {
        return err_set(
            e, ERR_INVALID,
            "region \"%.60s\" is neither a region of Oracle Cloud (eu-frankfurt-1) nor an availability domain "
            "(Uocm:EU-FRANKFURT-1-AD-1)",
            place);
    }
    memcpy(region, found, sizeof(found));
    return 0;
}
