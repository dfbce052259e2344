#include "providers/common/aws_price.h"

#include "server/base/clock.h"
#include "server/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_USD 100000.0

/* "0.2105000000" */
static bool read_usd(const char *text, double *out)
{
    char *end;
    double usd;

    if (text == NULL || *text < '0' || *text > '9')
        return false;
    usd = strtod(text, &end);
    if (*end != '\0' || !isfinite(usd) || usd > MAX_USD)
        return false;
    *out = usd;
    return true;
}

static int nonsense(const char *what, struct err *e)
{
    return err_set(e, ERR_RETRY, "%s: the answer makes no sense: no price in it is one", what);
}

/* ---- spot ---- */

static int read_spot(const struct xml_doc *doc, const char *type, double *usd, struct err *e)
{
    double highest = -1, one;

    for (const struct xml_node *i = xml_find(xml_root(doc), "spotPriceHistorySet/item"); i != NULL; i = xml_next(i)) {
        const char *of = xml_text(i, "instanceType");

        if (of == NULL || strcmp(of, type) != 0)
            continue;
        if (!read_usd(xml_text(i, "spotPrice"), &one))
            return nonsense("ec2 DescribeSpotPriceHistory", e);
        highest = one > highest ? one : highest;
    }
    *usd = highest;
    return 0;
}

/* From now on means: the price that holds now, of each zone. */
static int spot(const struct aws_client *c, const struct aws_price_of *what, double *usd, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    struct aws_fault fault;
    char now[21];

    text_format_rfc3339(clock_now_ms(), now);
    aws_form_begin(&form, "DescribeSpotPriceHistory", AWS_EC2_VERSION);
    aws_form_add(&form, what->instance_type, "InstanceType.1");
    aws_form_add(&form, what->windows ? "Windows" : "Linux/UNIX", "ProductDescription.1");
    aws_form_add(&form, now, "StartTime");
    if (aws_client_ec2(c, what->region, "DescribeSpotPriceHistory", &form, NULL, &doc, &fault, e))
        return -1;
    return read_spot(doc, what->instance_type, usd, e);
}

/* ---- on demand ---- */

/* terms.OnDemand: {id: {"priceDimensions": {id: {"unit": "Hrs", "pricePerUnit": {"USD": "0.526"}}}}} */
static bool read_terms(const json_t *product, double *usd)
{
    json_t *term, *dimension, *terms = json_object_get(json_object_get(product, "terms"), "OnDemand");
    const char *ignored;
    double one;
    bool any = false;

    json_object_foreach(terms, ignored, term)
    {
        json_object_foreach(json_object_get(term, "priceDimensions"), ignored, dimension)
        {
            const char *unit = json_string_value(json_object_get(dimension, "unit"));
            const json_t *price = json_object_get(dimension, "pricePerUnit");

            if (unit == NULL || strcmp(unit, "Hrs") != 0 ||
                !read_usd(json_string_value(json_object_get(price, "USD")), &one))
                continue;
            *usd = any && *usd > one ? *usd : one;
            any = true;
        }
    }
    return any;
}

/* The list holds texts that are documents themselves. Of several products that fit, the dearest. */
static int read_products(const json_t *answer, double *usd, struct err *e)
{
    json_t *list, *text;
    double highest = -1, one;
    size_t i;

    if (js_arr(answer, "PriceList", &list, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "pricing GetProducts: the answer makes no sense");
    }
    json_array_foreach(list, i, text)
    {
        AUTO_JSON json_t *product = NULL;
        const char *s = json_string_value(text);

        if (s == NULL || js_parse(s, strlen(s), &product, e))
            return nonsense("pricing GetProducts", e);
        if (read_terms(product, &one) && one > highest)
            highest = one;
    }
    *usd = highest;
    return 0;
}

static int make_question(const struct aws_price_of *what, json_t **out, struct err *e)
{
    const char *const filters[][2] = {{"instanceType", what->instance_type},
                                      {"regionCode", what->region},
                                      {"operatingSystem", what->windows ? "Windows" : "Linux"},
                                      {"licenseModel", "No License required"},
                                      {"tenancy", "Shared"},
                                      {"preInstalledSw", "NA"},
                                      {"capacitystatus", "Used"}};
    AUTO_JSON json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "Type", "TERM_MATCH", "Field", filters[i][0], "Value", filters[i][1]));
    return js_pack(e, out, "{s:s, s:s, s:i, s:O}", "ServiceCode", "AmazonEC2", "FormatVersion", "aws_v1", "MaxResults",
                   10, "Filters", list);
}

static int on_demand(const struct aws_client *c, const struct aws_price_of *what, double *usd, struct err *e)
{
    AUTO_JSON json_t *question = NULL, *answer = NULL;
    struct aws_fault fault;

    if (make_question(what, &question, e))
        return -1;
    if (aws_client_pricing(c, what->region, question, &answer, &fault, e)) {
        if (strcmp(fault.code, "AccessDeniedException") != 0)
            return -1;
        *usd = -1; /* the account may launch machines, and not read the price list */
        return 0;
    }
    return read_products(answer, usd, e);
}

int aws_price(const struct aws_client *c, const struct aws_price_of *what, double *usd, struct err *e)
{
    return what->spot ? spot(c, what, usd, e) : on_demand(c, what, usd, e);
}
