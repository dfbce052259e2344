#include "tests/support/unit.h"

#include "providers/common/xml.h"

#include "server/base/buf.h"

#include <stdlib.h>

static struct xml_doc *parse(const char *text)
{
    struct xml_doc *d = NULL;
    struct err e;

    assert_ok(xml_parse(text, strlen(text), &d, &e), e);
    return d;
}

static void refuse(const char *text, size_t len, const char *why)
{
    struct xml_doc *d = NULL;
    struct err e;

    assert_fails(xml_parse(text, len, &d, &e), ERR_INVALID, why, e);
    assert_null(d);
}

static const char answer[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                             "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"
                             "  <reservationSet>\n"
                             "    <item><ownerId>1</ownerId><instancesSet>\n"
                             "      <item><instanceId>i-1</instanceId><tagSet/></item>\n"
                             "      <other/>\n"
                             "      <item><instanceId>i-2</instanceId></item>\n"
                             "    </instancesSet></item>\n"
                             "  </reservationSet>\n"
                             "</DescribeInstancesResponse>\n";

static void test_xml__a_path_reaches_the_first_element_of_its_names(void **state)
{
    AUTO_XML struct xml_doc *d = parse(answer);
    const struct xml_node *root = xml_root(d);

    (void)state;
    assert_string_equal(root->name, "DescribeInstancesResponse");
    assert_string_equal(xml_text(root, "reservationSet/item/instancesSet/item/instanceId"), "i-1");
    assert_ptr_equal(xml_find(root, ""), root);
    assert_null(xml_text(root, "reservationSet/item/instancesSet/item/instanceState"));
    assert_null(xml_find(root, "reservationSet/it"));
    assert_null(xml_find(NULL, "a"));
    assert_null(xml_text(NULL, "a/b"));
}

static void test_xml__iteration_passes_over_siblings_of_other_names(void **state)
{
    AUTO_XML struct xml_doc *d = parse(answer);
    const struct xml_node *i = xml_find(xml_root(d), "reservationSet/item/instancesSet/item");

    (void)state;
    assert_int_equal(i->line, 5);
    i = xml_next(i);
    assert_non_null(i);
    assert_string_equal(xml_text(i, "instanceId"), "i-2");
    assert_int_equal(i->line, 7);
    assert_null(xml_next(i));
}

static void test_xml__text_is_kept_for_elements_without_children_only(void **state)
{
    AUTO_XML struct xml_doc *d = parse("<a> x <b>one &amp; two &#x41;</b> y <c><![CDATA[<raw>]]></c> z </a>");

    (void)state;
    assert_string_equal(xml_text(xml_root(d), ""), "");
    assert_string_equal(xml_text(xml_root(d), "b"), "one & two A");
    assert_string_equal(xml_text(xml_root(d), "c"), "<raw>");
}

static void test_xml__names_lose_their_namespace_prefix(void **state)
{
    AUTO_XML struct xml_doc *d = parse("<s:a xmlns:s=\"urn:x\"><s:b>1</s:b></s:a>");

    (void)state;
    assert_string_equal(xml_root(d)->name, "a");
    assert_string_equal(xml_text(xml_root(d), "b"), "1");
}

static void test_xml__a_missing_value_is_named_with_its_line(void **state)
{
    AUTO_XML struct xml_doc *d = parse("<a>\n<b><c></c></b></a>");
    const char *out = "untouched";
    struct err e;

    (void)state;
    assert_fails(xml_str(xml_find(xml_root(d), "b"), "d", &out, &e), ERR_INVALID, "XML line 2: <b> has no d", e);
    assert_fails(xml_str(xml_find(xml_root(d), "b"), "c", &out, &e), ERR_INVALID, "has no c", e);
    assert_string_equal(out, "untouched");
}

static void test_xml__malformed_text_is_refused_with_its_line(void **state)
{
    (void)state;
    refuse("", 0, "XML line 1: no element found");
    refuse("<a>\n<b>\n</a>", 12, "XML line 3: mismatched tag");
    refuse("<a></a><b/>", 11, "junk after document element");
    refuse("<a>\xff</a>", 8, "not well-formed");
    refuse("<a>x\0y</a>", 10, "not well-formed");
    refuse("<a>&nbsp;</a>", 13, "undefined entity");
    refuse("<a><x:/></a>", 12, "a name ends with a colon");
    refuse("<?xml version=\"1.0\" encoding=\"x-klingon\"?><a/>", 46, "unknown encoding");
}

static void test_xml__every_truncation_of_an_answer_is_refused(void **state)
{
    struct xml_doc *d = NULL;
    struct err e;

    (void)state;
    for (size_t n = 0; n < sizeof(answer) - 2; n++)
        assert_int_equal(xml_parse(answer, n, &d, &e), -1);
    assert_null(d);
}

static void test_xml__document_types_and_their_entities_are_refused(void **state)
{
    static const char laughs[] = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>";
    static const char file[] = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";

    (void)state;
    refuse(laughs, strlen(laughs), "document type declaration");
    refuse(file, strlen(file), "document type declaration");
    refuse("<!DOCTYPE a><a/>", 16, "document type declaration");
}

static void nest(struct buf *b, int depth)
{
    for (int i = 0; i < depth; i++)
        buf_adds(b, "<a>");
    for (int i = 0; i < depth; i++)
        buf_adds(b, "</a>");
}

static void test_xml__depth_size_and_count_have_ceilings(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT((size_t)16 * 1024 * 1024);
    struct xml_doc *d = NULL;
    struct err e;

    (void)state;
    nest(&b, XML_MAX_DEPTH);
    assert_ok(xml_parse(b.p, b.len, &d, &e), e);
    xml_free(d);
    buf_reset(&b);
    nest(&b, XML_MAX_DEPTH + 1);
    refuse(b.p, b.len, "nested too deeply");
    buf_reset(&b);
    buf_adds(&b, "<a>");
    for (int i = 0; i < XML_MAX_NODES; i++)
        buf_adds(&b, "<b/>");
    buf_adds(&b, "</a>");
    refuse(b.p, b.len, "too many elements");
    refuse(b.p, XML_MAX_BYTES + 1, "over the ceiling");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml__a_path_reaches_the_first_element_of_its_names),
        cmocka_unit_test(test_xml__iteration_passes_over_siblings_of_other_names),
        cmocka_unit_test(test_xml__text_is_kept_for_elements_without_children_only),
        cmocka_unit_test(test_xml__names_lose_their_namespace_prefix),
        cmocka_unit_test(test_xml__a_missing_value_is_named_with_its_line),
        cmocka_unit_test(test_xml__malformed_text_is_refused_with_its_line),
        cmocka_unit_test(test_xml__every_truncation_of_an_answer_is_refused),
        cmocka_unit_test(test_xml__document_types_and_their_entities_are_refused),
        cmocka_unit_test(test_xml__depth_size_and_count_have_ceilings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
