#include "providers/common/azure_price.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define MAX_USD 100000.0

static const struct rest_rule rules[] = {{0, NULL, NULL, ERR_NONE, 0, NULL}};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    const json_t *error = json_object_get(doc, "Error");

    out->code = json_string_value(json_object_get(error, "Code"));
    out->message = json_string_value(json_object_get(error, "Message"));
}

static const struct rest_dialect dialect = {.cloud = "azure", .rules = rules, .read = read_fault};
static const char question[] = "retailPrices.list";

struct rest_client azure_price_client(struct httpc *http, const char *url, int timeout_ms)
{
    return (struct rest_client){.http = http, .dialect = &dialect, .base = url, .timeout_ms = timeout_ms};
}

/* An hour of what is asked for? "Low Priority" is what batches had before there was spot. */
static bool fits(const json_t *item, const struct azure_price_of *what)
{
    const char *sku = json_string_value(json_object_get(item, "skuName"));
    const char *product = json_string_value(json_object_get(item, "productName"));
    const char *unit = json_string_value(json_object_get(item, "unitOfMeasure"));
    const char *currency = json_string_value(json_object_get(item, "currencyCode"));

    if (sku == NULL || product == NULL || unit == NULL || currency == NULL || text_icontains(sku, "low priority") ||
        strcmp(unit, "1 Hour") != 0 || strcmp(currency, "USD") != 0)
        return false;
    return text_icontains(sku, "spot") == what->spot && text_icontains(product, "windows") == what->windows;
}

static int read_page(const struct rest_client *list, const struct rest_call *call, const json_t *doc,
                     const struct azure_price_of *what, double *usd, const char **next, struct err *e)
{
    json_t *items, *one;
    size_t i;

    *next = NULL;
    if (js_arr(doc, "Items", &items, e) || js_opt_str(doc, "NextPageLink", next, e))
        return rest_nonsense(list, call, e);
    json_array_foreach(items, i, one)
    {
        const json_t *price = json_object_get(one, "retailPrice");

        if (!fits(one, what))
            continue;
        if (!json_is_number(price) || json_number_value(price) < 0 || json_number_value(price) > MAX_USD)
            return err_set(e, ERR_RETRY, "azure %s: the answer makes no sense: a price is none", question);
        if (json_number_value(price) > *usd)
            *usd = json_number_value(price);
    }
    if (*next != NULL && **next == '\0')
        *next = NULL;
    return 0;
}

static int first_path(const struct azure_price_of *what, struct buf *path, struct err *e)
{
    AUTO_BUF struct buf filter = BUF_INIT(600);
    const char *text;

    if (!rest_is_id(what->region, "", 64) || !rest_is_id(what->size, "-_", 64))
        return err_set(e, ERR_INVALID, "\"%.40s\" in \"%.40s\" is no size of a virtual machine in a region", what->size,
                       what->region);
    buf_addf(&filter,
             "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '%s' and "
             "armSkuName eq '%s'",
             what->region, what->size);
    buf_adds(path, "/api/retail/prices?api-version=2023-01-01-preview&currencyCode=USD&$filter=");
    text_url_escape(path, filter.p, filter.len);
    return buf_str(path, &text, e);
}

int azure_price(const struct rest_client *list, const struct azure_price_of *what, double *usd, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(4096);
    AUTO_FREE char *link = NULL;
    double highest = -1;

    if (first_path(what, &path, e))
        return -1;
    link = mem_strdup(path.p);
    for (size_t page = 1; link != NULL; page++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        struct rest_call call = {.method = "GET", .path = link, .what = question};
        const char *next;

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "azure %s: pages without end", question);
        if (rest_do(list, &call, &res, e) || read_page(list, &call, res.doc, what, &highest, &next, e))
            return rest_page_failed(page, e);
        free(link);
        link = next != NULL ? mem_strdup(next) : NULL;
    }
    *usd = highest;
    return 0;
}
