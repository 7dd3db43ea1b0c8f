/* fields.c: registers fields, subtrees and expert items, from krpc/fields.def, krpc/rules.def and own_fields.def.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#undef HF
#undef ETT

int proto_krpc = -1;
int proto_peerwire = -1;

int hf_key[KRPC_NUM_FIELDS];
int hf_addr[KRPC_NUM_FIELDS];
int hf_addr6[KRPC_NUM_FIELDS];
int hf_port[KRPC_NUM_FIELDS];
int hf_own[NUM_HF];
int hf_peer_key[PEERWIRE_NUM_KEYS];
int ett_own[NUM_ETT];
expert_field ei_rule[KRPC_NUM_RULES];

/* Type and display of the field of a key, by the key's kind. */
#define SHOW_INT            FT_INT64, BASE_DEC
#define SHOW_FLAG           FT_BOOLEAN, BASE_NONE
#define SHOW_PORT           FT_INT64, BASE_DEC
#define SHOW_BYTES          FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO
#define SHOW_TEXT           FT_STRING, BASE_NONE
#define SHOW_METHOD         FT_STRING, BASE_NONE
#define SHOW_TYPE           FT_STRING, BASE_NONE
#define SHOW_VERSION        FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO
#define SHOW_ENDPOINT       FT_NONE, BASE_NONE
#define SHOW_NODES          FT_NONE, BASE_NONE
#define SHOW_NODES6         FT_NONE, BASE_NONE
#define SHOW_HASHES         FT_NONE, BASE_NONE
#define SHOW_BLOOM          FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO
#define SHOW_PEERS          FT_NONE, BASE_NONE
#define SHOW_NODE_LIST      FT_NONE, BASE_NONE
#define SHOW_TEXTS          FT_STRING, BASE_NONE
#define SHOW_ERROR          FT_NONE, BASE_NONE
#define SHOW_DICT           FT_NONE, BASE_NONE
#define SHOW_ANY            FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO

#define IS_ENDPOINT(SYMBOL) (KRPC_KIND_##SYMBOL == KRPC_KIND_ENDPOINT)

static hf_register_info key_fields[] = {
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING)                                         \
    {&hf_key[KRPC_##SYMBOL], {TITLE, "krpc." FILTER, SHOW_##KIND, NULL, 0, MEANING " (" BEP ")", HFILL}},
#include <krpc/fields.def>
};

/* Three entries for every key. Only those of keys that hold an endpoint are registered. */
static hf_register_info endpoint_fields[] = {
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING)                                         \
    {IS_ENDPOINT(KIND) ? &hf_addr[KRPC_##SYMBOL] : NULL,                                                               \
     {"Address", "krpc." FILTER ".addr", FT_IPv4, BASE_NONE, NULL, 0, MEANING ": IPv4 address (" BEP ")", HFILL}},     \
        {IS_ENDPOINT(KIND) ? &hf_addr6[KRPC_##SYMBOL] : NULL,                                                          \
         {"Address", "krpc." FILTER ".addr6", FT_IPv6, BASE_NONE, NULL, 0, MEANING ": IPv6 address (" BEP ")",         \
          HFILL}},                                                                                                     \
        {IS_ENDPOINT(KIND) ? &hf_port[KRPC_##SYMBOL] : NULL,                                                           \
         {"Port", "krpc." FILTER ".port", FT_UINT16, BASE_DEC, NULL, 0, MEANING ": port (" BEP ")", HFILL}},
#include <krpc/fields.def>
};

static hf_register_info own_fields[] = {
#define HF(SYMBOL, FILTER, TITLE, TYPE, DISPLAY, CONVERT, BLURB)                                                       \
    {&hf_own[HF_##SYMBOL], {TITLE, "krpc." FILTER, TYPE, DISPLAY, CONVERT, 0, BLURB, HFILL}},
#include "own_fields.def"
};

static hf_register_info peer_fields[] = {
#define PEER_HF(SYMBOL, FILTER, TITLE, TYPE, DISPLAY, CONVERT, BLURB)                                                  \
    {&hf_own[HF_##SYMBOL], {TITLE, "krpc." FILTER, TYPE, DISPLAY, CONVERT, 0, BLURB, HFILL}},
#include "own_fields.def"
};

#define PEER_SHOW_INT    FT_INT64, BASE_DEC
#define PEER_SHOW_STRING FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO
#define PEER_SHOW_DICT   FT_BYTES, BASE_NONE | BASE_ALLOW_ZERO

static hf_register_info peer_key_fields[] = {
#define KEY(SYMBOL, EXT, NAME, TYPE, SPEC, MEANING)                                                                    \
    {&hf_peer_key[PEERWIRE_KEY_##SYMBOL],                                                                              \
     {NAME " (" MEANING ")", "krpc.peerwire." NAME, PEER_SHOW_##TYPE, NULL, 0, MEANING " (" SPEC ")", HFILL}},
#include <krpc/peerwire.def>
};

static ei_register_info rule_fields[] = {
#define RULE(SYMBOL, SLUG, SEVERITY, SPEC, TEXT, EXPLANATION)                                                          \
    {&ei_rule[KRPC_RULE_##SYMBOL], {"krpc.rule." SLUG, PI_PROTOCOL, PI_##SEVERITY, NULL, EXPFILL}},
#include <krpc/rules.def>
};

static void register_endpoint_fields(void)
{
    for (size_t i = 0; i < array_length(endpoint_fields); i++) {
        if (endpoint_fields[i].p_id != NULL) {
            proto_register_field_array(proto_krpc, &endpoint_fields[i], 1);
        }
    }
}

/* The name of a rule's group in Expert Information, the same for all its findings: "port N", not "port 6881". It is
 * allocated once and never freed. */
static char *summary(krpc_rule rule)
{
    char text[200];

    krpc_rule_text(text, sizeof text, rule);
    return g_strdup_printf("%s (%s)", text, krpc_rule_get(rule)->spec);
}

static void register_rules(void)
{
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *rule = krpc_rule_get((krpc_rule)i);
        const expert_field none = EI_INIT;

        ei_rule[i] = none;
        rule_fields[i].eiinfo.summary = summary((krpc_rule)i);
        if (strncmp(rule->slug, "bencode.", 8) == 0 && rule->severity == KRPC_SEVERITY_ERROR) {
            rule_fields[i].eiinfo.group = PI_MALFORMED;
        }
    }
    expert_register_field_array(expert_register_protocol(proto_krpc), rule_fields, (int)array_length(rule_fields));
}

void fields_register(void)
{
    static int *ett[NUM_ETT];

    for (unsigned i = 0; i < KRPC_NUM_FIELDS; i++) {
        hf_key[i] = hf_addr[i] = hf_addr6[i] = hf_port[i] = -1;
    }
    for (unsigned i = 0; i < NUM_HF; i++) {
        hf_own[i] = -1;
    }
    for (unsigned i = 0; i < PEERWIRE_NUM_KEYS; i++) {
        hf_peer_key[i] = -1;
    }
    for (unsigned i = 0; i < NUM_ETT; i++) {
        ett_own[i] = -1;
        ett[i] = &ett_own[i];
    }
    proto_krpc = proto_register_protocol("BitTorrent DHT (KRPC)", "KRPC", "krpc");
    proto_peerwire = proto_register_protocol("BitTorrent peer wire ports", "KRPC-peer", "krpc.peerwire");
    proto_set_cant_toggle(proto_peerwire); /* it is enabled and disabled with KRPC, and no entry of Enabled Protocols */
    proto_register_field_array(proto_krpc, key_fields, (int)array_length(key_fields));
    register_endpoint_fields();
    proto_register_field_array(proto_krpc, own_fields, (int)array_length(own_fields));
    proto_register_field_array(proto_peerwire, peer_fields, (int)array_length(peer_fields));
    proto_register_field_array(proto_peerwire, peer_key_fields, (int)array_length(peer_key_fields));
    proto_register_subtree_array(ett, (int)array_length(ett));
    register_rules();
}
