/* krpc/bep44.h: the keys and signatures of stored items (BEP 44, BEP 46).
 *
 * This is the one part of the codec that needs another library, libgcrypt, for SHA-1 and Ed25519. Where the codec was
 * built without it the functions are there all the same: krpc_bep44_available is false, targets cannot be made, and
 * every verdict is KRPC_BEP44_UNKNOWN. libgcrypt allocates memory; a program with several threads calls
 * gcry_check_version before it starts them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_BEP44_H
#define KRPC_BEP44_H

#include <krpc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KRPC_BEP44_KEY_LEN       32
#define KRPC_BEP44_SIGNATURE_LEN 64
#define KRPC_BEP44_TARGET_LEN    20
#define KRPC_BEP44_MAX_SALT      64
#define KRPC_BEP44_MAX_ITEM      1000 /* of v as it is encoded */

/* KRPC_BEP44_MAX_SIGNED holds what is signed for any item and salt that the specification allows. */
#define KRPC_BEP44_MAX_SIGNED    (KRPC_BEP44_MAX_ITEM + KRPC_BEP44_MAX_SALT + 64)

typedef enum krpc_bep44_verdict {
    KRPC_BEP44_UNKNOWN,       /* cannot be said: no libgcrypt, no item, too long, the salt or the target is not known */
    KRPC_BEP44_VALID,         /* what could be verified is right: signature, or target, or both */
    KRPC_BEP44_BAD_SIGNATURE, /* rule bep44.bad-signature */
    KRPC_BEP44_WRONG_TARGET   /* rule bep44.wrong-target */
} krpc_bep44_verdict;

/* krpc_bep44_verdict_name is "unknown", "valid", "bad signature" or "wrong target". */
KRPC_EXPORT const char *krpc_bep44_verdict_name(krpc_bep44_verdict verdict);

/* krpc_bep44_available: built with libgcrypt, and it works. */
KRPC_EXPORT bool krpc_bep44_available(void);

/* krpc_bep44_item finds the whole encoding of the v of a put or of a response to get. False when there is none, or its
 * end was not captured. */
KRPC_EXPORT bool krpc_bep44_item(krpc_span *out, const krpc_message *message, const uint8_t *data);

/* krpc_bep44_immutable_target is the SHA-1 of the encoded v; krpc_bep44_mutable_target that of the 32-byte public key
 * followed by the salt (salt_len 0 for none), which is BEP 46's target too. False without libgcrypt. */
KRPC_EXPORT bool krpc_bep44_immutable_target(uint8_t out[KRPC_BEP44_TARGET_LEN], const void *v, size_t v_len);
KRPC_EXPORT bool krpc_bep44_mutable_target(uint8_t out[KRPC_BEP44_TARGET_LEN], const uint8_t k[KRPC_BEP44_KEY_LEN],
                                           const void *salt, size_t salt_len);

/* krpc_bep44_signed writes what the signature of a mutable item covers, "4:salt6:foobar3:seqi1e1:v" and the encoded v
 * (without the salt when salt_len is 0), and returns its size; the bytes are complete only when that is at most cap. */
KRPC_EXPORT size_t krpc_bep44_signed(void *out, size_t cap, const void *salt, size_t salt_len, int64_t seq,
                                     const void *v, size_t v_len);

/* krpc_bep44_verify checks a signature: VALID, BAD_SIGNATURE, or UNKNOWN when salt or v are longer than the
 * specification allows, or when the key is one of a few (made on purpose: one of 2^30) that libgcrypt cannot be given.
 * Cost: some hundred microseconds. */
KRPC_EXPORT krpc_bep44_verdict krpc_bep44_verify(const uint8_t k[KRPC_BEP44_KEY_LEN],
                                                 const uint8_t sig[KRPC_BEP44_SIGNATURE_LEN], const void *salt,
                                                 size_t salt_len, int64_t seq, const void *v, size_t v_len);

/* krpc_bep44_check verifies the item of a put, or of a response to the get for target (NULL: not known). A response
 * does not repeat the salt: whether its item was salted shows in the target, and the signature of one that was cannot
 * be verified, so that is UNKNOWN. Messages without an item are UNKNOWN. */
KRPC_EXPORT krpc_bep44_verdict krpc_bep44_check(const krpc_message *message, const uint8_t *data,
                                                const uint8_t *target);

#ifdef __cplusplus
}
#endif

#endif
