/* unit.h: one suite of CUnit tests as a program: 0 when all of them pass.
 *
 *     int main(void)
 *     {
 *         const unit_test tests[] = {UNIT_TEST(reads_what_it_wrote), UNIT_TEST(every_prefix_is_cut)};
 *
 *         return UNIT_RUN("bencode", tests);
 *     }
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_TESTS_UNIT_H
#define KRPC_TESTS_UNIT_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/Basic.h>

typedef struct unit_test {
    const char *name;
    void (*run)(void);
} unit_test;

#define UNIT_TEST(function)    {#function, function}
#define UNIT_RUN(suite, tests) unit_run(suite, tests, sizeof(tests) / sizeof(tests)[0])

/* UNIT_TEXT asserts that two texts are equal, and shows both where they are not. */
#define UNIT_TEXT(got, want)   CU_assertImplementation(unit_same(got, want), __LINE__, #got, __FILE__, "", CU_FALSE)

static inline CU_BOOL unit_same(const char *got, const char *want)
{
    if (strcmp(got, want) == 0) {
        return CU_TRUE;
    }
    fprintf(stderr, "\n    got  \"%s\"\n    want \"%s\"\n", got, want);
    return CU_FALSE;
}

static inline int unit_run(const char *suite_name, const unit_test *tests, size_t num_tests)
{
    CU_pSuite suite;
    unsigned failed;

    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 2;
    }
    suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite != NULL && i < num_tests; i++) {
        if (CU_add_test(suite, tests[i].name, tests[i].run) == NULL) {
            suite = NULL;
        }
    }
    if (suite == NULL) {
        CU_cleanup_registry();
        return 2;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failed == 0 ? 0 : 1;
}

#endif
