/* bep44.c: targets and signatures of stored items. The one file that includes libgcrypt.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/bep44.h>

#include <string.h>

#ifdef KRPC_HAVE_GCRYPT
#include <gcrypt.h>
#endif

const char *krpc_bep44_verdict_name(krpc_bep44_verdict verdict)
{
    static const char *const names[] = {"unknown", "valid", "bad signature", "wrong target"};

    return (size_t)verdict < sizeof names / sizeof names[0] ? names[verdict] : "?";
}

size_t krpc_bep44_signed(void *out, size_t cap, const void *salt, size_t salt_len, int64_t seq, const void *v,
                         size_t v_len)
{
    bencode_writer writer;

    bencode_writer_init(&writer, out, cap);
    if (salt_len > 0) {
        bencode_put_key(&writer, "salt");
        bencode_put_string(&writer, salt, salt_len);
    }
    bencode_put_key(&writer, "seq");
    bencode_put_int(&writer, seq);
    bencode_put_key(&writer, "v");
    bencode_put_raw(&writer, v, v_len);
    return writer.len;
}

bool krpc_bep44_item(krpc_span *out, const krpc_message *message, const uint8_t *data)
{
    krpc_field field = message->type == KRPC_QUERY ? KRPC_A_V : KRPC_R_V;

    if (!krpc_has(message, field)) {
        return false;
    }
    *out = krpc_value_encoding(message, data, field);
    return true;
}

#ifdef KRPC_HAVE_GCRYPT

bool krpc_bep44_available(void)
{
    if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P) == 0) {
        if (gcry_check_version(NULL) == NULL) {
            return false;
        }
        gcry_control(GCRYCTL_DISABLE_SECMEM, 0); /* nothing here is secret */
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
    return true;
}

static bool sha1_of_two(uint8_t out[KRPC_BEP44_TARGET_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
    gcry_buffer_t parts[2];

    if (!krpc_bep44_available()) {
        return false;
    }
    memset(parts, 0, sizeof parts);
    parts[0].data = (void *)(uintptr_t)a; /* only read; the interface has no const */
    parts[0].len = a_len;
    parts[1].data = (void *)(uintptr_t)b;
    parts[1].len = b_len;
    return gcry_md_hash_buffers(GCRY_MD_SHA1, 0, out, parts, b_len > 0 ? 2 : 1) == 0;
}

/* libgcrypt 1.10 aborts the process in gcry_pk_verify when a coordinate of the public key is so small that it takes
 * fewer words than the field's prime, and a packet may bring any key. Of the keys that people have, one in 2^30 is
 * turned away with these. */
#define MIN_COORDINATE_BITS 225u

typedef enum key_kind { KEY_GOOD, KEY_NO_POINT, KEY_SMALL } key_kind;

static key_kind look_at_key(const uint8_t *k)
{
    gcry_ctx_t curve = NULL;
    gcry_mpi_t encoded = gcry_mpi_set_opaque_copy(NULL, k, 8 * KRPC_BEP44_KEY_LEN);
    gcry_mpi_point_t point = gcry_mpi_point_new(0);
    gcry_mpi_t x = gcry_mpi_new(0);
    gcry_mpi_t y = gcry_mpi_new(0);
    key_kind kind = KEY_NO_POINT;

    if (gcry_mpi_ec_new(&curve, NULL, "Ed25519") == 0 && gcry_mpi_ec_decode_point(point, encoded, curve) == 0 &&
        gcry_mpi_ec_get_affine(x, y, point, curve) == 0) {
        kind = gcry_mpi_get_nbits(x) >= MIN_COORDINATE_BITS && gcry_mpi_get_nbits(y) >= MIN_COORDINATE_BITS ? KEY_GOOD
                                                                                                            : KEY_SMALL;
    }
    gcry_mpi_release(y);
    gcry_mpi_release(x);
    gcry_mpi_point_release(point);
    gcry_mpi_release(encoded);
    gcry_ctx_release(curve);
    return kind;
}

/* The signature's second half is a number below the order of the group (RFC 8032, 5.1.7), least significant byte first.
 * libgcrypt does not look; and of random bytes it leaves one in sixteen for the long computation. */
static bool is_scalar(const uint8_t s[32])
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

    for (unsigned i = 32; i-- > 0;) {
        if (s[i] != order[i]) {
            return s[i] < order[i];
        }
    }
    return false;
}

static krpc_bep44_verdict ed25519_verify(const uint8_t *k, const uint8_t *sig, const uint8_t *text, size_t len)
{
    gcry_sexp_t key = NULL;
    gcry_sexp_t value = NULL;
    gcry_sexp_t signature = NULL;
    key_kind kind;
    bool good;

    if (!is_scalar(sig + 32)) {
        return KRPC_BEP44_BAD_SIGNATURE;
    }
    kind = look_at_key(k);
    if (kind != KEY_GOOD) {
        return kind == KEY_SMALL ? KRPC_BEP44_UNKNOWN : KRPC_BEP44_BAD_SIGNATURE;
    }
    good = gcry_sexp_build(&key, NULL, "(public-key(ecc(curve Ed25519)(flags eddsa)(q%b)))", 32, k) == 0 &&
           gcry_sexp_build(&value, NULL, "(data(flags eddsa)(hash-algo sha512)(value%b))", (int)len, text) == 0 &&
           gcry_sexp_build(&signature, NULL, "(sig-val(eddsa(r%b)(s%b)))", 32, sig, 32, sig + 32) == 0 &&
           gcry_pk_verify(signature, value, key) == 0;
    gcry_sexp_release(key);
    gcry_sexp_release(value);
    gcry_sexp_release(signature);
    return good ? KRPC_BEP44_VALID : KRPC_BEP44_BAD_SIGNATURE;
}

#else

bool krpc_bep44_available(void)
{
    return false;
}

static bool sha1_of_two(uint8_t out[KRPC_BEP44_TARGET_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
    (void)out, (void)a, (void)a_len, (void)b, (void)b_len;
    return false;
}

static krpc_bep44_verdict ed25519_verify(const uint8_t *k, const uint8_t *sig, const uint8_t *text, size_t len)
{
    (void)k, (void)sig, (void)text, (void)len;
    return KRPC_BEP44_UNKNOWN;
}

#endif

bool krpc_bep44_immutable_target(uint8_t out[KRPC_BEP44_TARGET_LEN], const void *v, size_t v_len)
{
    return sha1_of_two(out, v, v_len, NULL, 0);
}

bool krpc_bep44_mutable_target(uint8_t out[KRPC_BEP44_TARGET_LEN], const uint8_t k[KRPC_BEP44_KEY_LEN],
                               const void *salt, size_t salt_len)
{
    return sha1_of_two(out, k, KRPC_BEP44_KEY_LEN, salt, salt_len);
}

krpc_bep44_verdict krpc_bep44_verify(const uint8_t k[KRPC_BEP44_KEY_LEN], const uint8_t sig[KRPC_BEP44_SIGNATURE_LEN],
                                     const void *salt, size_t salt_len, int64_t seq, const void *v, size_t v_len)
{
    uint8_t text[KRPC_BEP44_MAX_SIGNED];
    size_t len;

    if (salt_len > KRPC_BEP44_MAX_SALT || v_len > KRPC_BEP44_MAX_ITEM || !krpc_bep44_available()) {
        return KRPC_BEP44_UNKNOWN;
    }
    len = krpc_bep44_signed(text, sizeof text, salt, salt_len, seq, v, v_len);
    return ed25519_verify(k, sig, text, len);
}

static bool has_bytes(const krpc_message *message, krpc_field field, uint32_t len)
{
    return krpc_has(message, field) && message->value[field].len == len;
}

static krpc_bep44_verdict verify_fields(const krpc_message *message, const uint8_t *data, krpc_span item, bool put)
{
    krpc_field k = put ? KRPC_A_K : KRPC_R_K;
    krpc_field sig = put ? KRPC_A_SIG : KRPC_R_SIG;
    krpc_field seq = put ? KRPC_A_SEQ : KRPC_R_SEQ;
    bool salted = put && krpc_has(message, KRPC_A_SALT);

    if (!has_bytes(message, k, KRPC_BEP44_KEY_LEN) || !has_bytes(message, sig, KRPC_BEP44_SIGNATURE_LEN) ||
        !krpc_has(message, seq)) {
        return KRPC_BEP44_UNKNOWN;
    }
    return krpc_bep44_verify(data + message->value[k].off, data + message->value[sig].off,
                             salted ? data + message->value[KRPC_A_SALT].off : NULL,
                             salted ? message->value[KRPC_A_SALT].len : 0, message->value[seq].num, data + item.off,
                             item.len);
}

static krpc_bep44_verdict check_response(const krpc_message *message, const uint8_t *data, krpc_span item,
                                         const uint8_t *target)
{
    uint8_t own[KRPC_BEP44_TARGET_LEN];

    if (target == NULL) {
        return KRPC_BEP44_UNKNOWN;
    }
    if (!krpc_has(message, KRPC_R_K)) {
        if (krpc_has(message, KRPC_R_SIG) || !krpc_bep44_immutable_target(own, data + item.off, item.len)) {
            return KRPC_BEP44_UNKNOWN;
        }
        return memcmp(own, target, sizeof own) == 0 ? KRPC_BEP44_VALID : KRPC_BEP44_WRONG_TARGET;
    }
    if (!has_bytes(message, KRPC_R_K, KRPC_BEP44_KEY_LEN) ||
        !krpc_bep44_mutable_target(own, data + message->value[KRPC_R_K].off, NULL, 0) ||
        memcmp(own, target, sizeof own) != 0) {
        return KRPC_BEP44_UNKNOWN;
    }
    return verify_fields(message, data, item, false);
}

krpc_bep44_verdict krpc_bep44_check(const krpc_message *message, const uint8_t *data, const uint8_t *target)
{
    krpc_span item;

    if (!krpc_bep44_available() || !krpc_bep44_item(&item, message, data)) {
        return KRPC_BEP44_UNKNOWN;
    }
    if (message->type == KRPC_QUERY) {
        return message->method == KRPC_METHOD_PUT ? verify_fields(message, data, item, true) : KRPC_BEP44_UNKNOWN;
    }
    return message->type == KRPC_RESPONSE ? check_response(message, data, item, target) : KRPC_BEP44_UNKNOWN;
}
