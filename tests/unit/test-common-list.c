// SPDX-License-Identifier: GPL-2.0-or-later
#include <check.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/macros.h"

struct item {
	int value;
	struct list link;
};

static struct item items[6];

static void setup(void)
{
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		items[i].value = (int)i;
		list_init(&items[i].link);
	}
}

/* Checks that the list holds these values in this order, forwards and backwards. */
static void expect(const struct list *head, size_t n, const int *values)
{
	const struct list *link = head;

	ck_assert_uint_eq(list_count(head), n);
	ck_assert_int_eq(list_empty(head), n == 0);
	for (size_t i = 0; i < n; i++) {
		link = link->next;
		ck_assert_int_eq(list_entry(link, struct item, link)->value, values[i]);
		ck_assert_ptr_eq(link->next->prev, link);
	}
	ck_assert_ptr_eq(link->next, head);
	ck_assert_ptr_eq(head->prev, link);
}

#define EXPECT(head, ...)                                  \
	do {                                               \
		const int values_[] = { __VA_ARGS__ };     \
		expect(head, ARRAY_LEN(values_), values_); \
	} while (0)

START_TEST(adds_at_both_ends)
{
	struct list head = LIST_INIT(head);

	expect(&head, 0, NULL);
	ck_assert_ptr_null(list_first(&head));
	ck_assert_ptr_null(list_last(&head));
	list_add_tail(&head, &items[1].link);
	list_add_tail(&head, &items[2].link);
	list_add_head(&head, &items[0].link);
	EXPECT(&head, 0, 1, 2);
	ck_assert_ptr_eq(list_first(&head), &items[0].link);
	ck_assert_ptr_eq(list_last(&head), &items[2].link);
	ck_assert_ptr_eq(list_first_entry(&head, struct item, link), &items[0]);
	ck_assert_ptr_eq(list_last_entry(&head, struct item, link), &items[2]);
}
END_TEST

START_TEST(deletes_twice_without_harm)
{
	struct list head = LIST_INIT(head);

	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &items[i].link);
	ck_assert(!list_empty(&items[1].link));
	list_del(&items[1].link);
	list_del(&items[1].link);
	ck_assert(list_empty(&items[1].link));
	EXPECT(&head, 0, 2);
	list_del(&items[0].link);
	list_del(&items[2].link);
	expect(&head, 0, NULL);
}
END_TEST

START_TEST(moves_to_the_end)
{
	struct list head = LIST_INIT(head);
	struct list other = LIST_INIT(other);

	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &items[i].link);
	list_move_tail(&head, &items[0].link);
	EXPECT(&head, 1, 2, 0);
	list_move_tail(&other, &items[2].link);
	EXPECT(&head, 1, 0);
	EXPECT(&other, 2);
}
END_TEST

START_TEST(splices_in_order)
{
	struct list head = LIST_INIT(head);
	struct list from = LIST_INIT(from);

	list_splice_tail(&head, &from);
	expect(&head, 0, NULL);

	list_add_tail(&from, &items[0].link);
	list_add_tail(&from, &items[1].link);
	list_splice_tail(&head, &from);
	expect(&from, 0, NULL);
	EXPECT(&head, 0, 1);

	list_add_tail(&from, &items[2].link);
	list_add_tail(&from, &items[3].link);
	list_splice_tail(&head, &from);
	EXPECT(&head, 0, 1, 2, 3);

	list_add_tail(&from, &items[4].link);
	list_add_tail(&from, &items[5].link);
	list_splice_head(&head, &from);
	expect(&from, 0, NULL);
	EXPECT(&head, 4, 5, 0, 1, 2, 3);
}
END_TEST

START_TEST(walks)
{
	struct list head = LIST_INIT(head);
	struct list *link;
	struct item *item;
	struct item *next;
	int expected = 0;

	list_for_each_entry(item, &head, link)
		ck_abort_msg("an empty list has no entries");
	list_for_each_entry_safe(item, next, &head, link)
		ck_abort_msg("an empty list has no entries");
	for (int i = 0; i < 4; i++)
		list_add_tail(&head, &items[i].link);
	list_for_each(link, &head)
		ck_assert_int_eq(list_entry(link, struct item, link)->value, expected++);
	ck_assert_int_eq(expected, 4);
	expected = 0;
	list_for_each_entry(item, &head, link)
		ck_assert_int_eq(item->value, expected++);
	ck_assert_int_eq(expected, 4);
}
END_TEST

START_TEST(walks_while_elements_go)
{
	struct list head = LIST_INIT(head);
	struct item *item;
	struct item *next;

	for (int i = 0; i < 3; i++) {
		item = malloc(sizeof(*item));
		ck_assert_ptr_nonnull(item);
		item->value = i;
		list_add_tail(&head, &item->link);
	}
	list_for_each_entry_safe(item, next, &head, link) {
		list_del(&item->link);
		free(item);
	}
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(macros)
{
	int i = 1;

	ck_assert_uint_eq(ARRAY_LEN(items), 6);
	ck_assert_ptr_eq(CONTAINER_OF(&items[3].link, struct item, link), &items[3]);
	ck_assert_int_eq(MIN_OF(i++, 5), 1);
	ck_assert_int_eq(i, 2);
	ck_assert_int_eq(MAX_OF(-7, i++), 2);
	ck_assert_int_eq(i, 3);
	ck_assert(LIKELY(i == 3));
	ck_assert(!UNLIKELY(i == 4));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common-list");
	TCase *tcase = tcase_create("list");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, adds_at_both_ends);
	tcase_add_test(tcase, deletes_twice_without_harm);
	tcase_add_test(tcase, moves_to_the_end);
	tcase_add_test(tcase, splices_in_order);
	tcase_add_test(tcase, walks);
	tcase_add_test(tcase, walks_while_elements_go);
	tcase_add_test(tcase, macros);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
