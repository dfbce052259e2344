/* XML answers: what is accepted is a tree within its ceilings whose texts are UTF-8. */
#include "tests/fuzz/fuzz.h"

#include "providers/common/xml.h"
#include "server/base/text.h"

static size_t walk(const struct xml_node *n, int depth)
{
    size_t nodes = 0;

    for (; n != NULL; n = n->next) {
        NEED(depth <= XML_MAX_DEPTH);
        NEED(n->name != NULL && n->name[0] != '\0' && n->text != NULL && n->line >= 1);
        NEED(text_utf8_valid(n->name, strlen(n->name)) && text_utf8_valid(n->text, strlen(n->text)));
        NEED(n->child == NULL || n->text[0] == '\0');
        NEED(xml_text(n, "") == n->text);
        nodes += 1 + walk(n->child, depth + 1);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const wanted[] = {"reservationSet/item/instancesSet/item/instanceId", "Errors/Error/Code", "",
                                         "a", "a/b"};
    AUTO_XML struct xml_doc *d = NULL;
    struct err e;

    if (xml_parse((const char *)data, size, &d, &e)) {
        NEED(d == NULL && e.kind == ERR_INVALID && text_has_prefix(e.msg, "XML line "));
        return 0;
    }
    NEED(xml_root(d) != NULL && xml_root(d)->next == NULL);
    NEED(walk(xml_root(d), 1) <= XML_MAX_NODES);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const char *s = NULL;
        const struct xml_node *n = xml_find(xml_root(d), wanted[i]);

        NEED((n == NULL) == (xml_text(xml_root(d), wanted[i]) == NULL));
        if (xml_str(xml_root(d), wanted[i], &s, &e) == 0)
            NEED(n != NULL && s == n->text && s[0] != '\0');
        for (; n != NULL; n = xml_next(n))
            NEED(xml_text(n, "") == n->text);
    }
    return 0;
}
