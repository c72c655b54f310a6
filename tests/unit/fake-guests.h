/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests for tests of the broker alone, over the backend of fake-backend.h:
 * they come and go, post requests and pages, and look up in the log what they
 * could have seen.
 */
#ifndef FAKE_GUESTS_H
#define FAKE_GUESTS_H

#include "tests/unit/fake-backend.h"

/* --------------------------------------------------------------------- a world */

static inline void fake_line(void *data, int prio, const char *line)
{
	size_t len = strlen(fake.lines);

	snprintf(fake.lines + len, sizeof(fake.lines) - len, "%s\n", line);
}

static inline struct config *fake_config(const char *text)
{
	struct config *config = NULL;
	struct config_error error;
	FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int r = config_read(&config, stream, "test.conf", &error);

	fclose(stream);
	ck_assert_msg(r == 0, "%s:%u: %s", error.file, error.line, error.reason);
	return config;
}

/* Any name may send to any other. */
#define FAKE_OPEN "[devices]\ndomains = *\n[allow any]\nfrom = *\nto = *\nmodes = copy map\n"

static inline void fake_init(const char *config)
{
	memset(&fake, 0, sizeof(fake));
	fake.entries = calloc(FAKE_LOG, sizeof(*fake.entries));
	fake.batch_room = COPY_TAGS;
	fake.generation = 100;
	log_init(&fake.log, fake_line, NULL, LOG_DEBUG);
	ck_assert_int_ge(sd_event_new(&fake.event), 0);
	ck_assert_int_eq(broker_new(&fake.broker, fake.event, &fake.log, fake_config(config)), 0);
	ck_assert_int_eq(broker_start(fake.broker), 0);
}

static inline void fake_fini(void)
{
	broker_free(fake.broker, false);
	for (unsigned int i = 0; i < fake.nr_devices; i++) {
		free(fake.devices[i]->in);
		free(fake.devices[i]->tx_page);
		free(fake.devices[i]->rx_page);
		free(fake.devices[i]);
	}
	free(fake.entries);
	sd_event_unref(fake.event);
}

static inline struct device *fake_device(uint16_t domid, const char *name)
{
	struct device *dev = calloc(1, sizeof(*dev));

	dev->domid = domid;
	dev->slots = 256;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->in = calloc(FAKE_SLOTS, sizeof(*dev->in));
	dev->tx_page = calloc(FAKE_PAGES, sizeof(*dev->tx_page));
	dev->rx_page = calloc(FAKE_PAGES, sizeof(*dev->rx_page));
	ck_assert_uint_lt(fake.nr_devices, FAKE_DEVICES);
	fake.devices[fake.nr_devices++] = dev;
	return dev;
}

static inline void fake_awaited(struct device *dev)
{
	dev->addr = VMSGIF_ADDR(++fake.generation, dev->domid);
	broker_ops.awaited(fake.broker, dev);
}

/* Connected, under a new address unless it was awaited. */
static inline void fake_connect(struct device *dev)
{
	if (!dev->priv)
		dev->addr = VMSGIF_ADDR(++fake.generation, dev->domid);
	dev->up = true;
	dev->frozen = false;
	broker_ops.up(fake.broker, dev);
}

static inline void fake_down(struct device *dev)
{
	dev->up = false;
	broker_ops.down(fake.broker, dev, dev->addr);
	memset(dev->busy, 0, sizeof(dev->busy));
	dev->in_first = dev->in_end;
	dev->posted_first = dev->answered = dev->posted_end;
	dev->nr_out = dev->nr_rx = 0;
	dev->addr = 0;
	dev->seq = 0;
}

static inline struct peer *fake_peer(struct device *dev)
{
	return dev->priv;
}

/* Turns until nothing is left to do. */
static inline void fake_turns(void)
{
	for (unsigned int i = 0; turn_run(fake.broker); i++)
		ck_assert_uint_lt(i, 10000);
}

/* ------------------------------------------------------------------ requests */

/* Puts a request into the ring, with an id; kick follows. */
static inline struct fake_request *fake_put(struct device *dev, uint8_t op)
{
	struct fake_request *in = &dev->in[dev->in_end++ % FAKE_SLOTS];

	memset(in, 0, sizeof(*in));
	while (dev->busy[dev->next_id % dev->slots])
		dev->next_id++;
	in->req.op = op;
	in->req.id = dev->next_id++ % (uint16_t)dev->slots;
	dev->busy[in->req.id] = true;
	broker_ops.kick(fake.broker, dev);
	return in;
}

static inline uint16_t fake_bind(struct device *dev, uint32_t port, uint64_t credit,
				 const char *name)
{
	struct fake_request *in = fake_put(dev, VMSGIF_OP_BIND);

	in->req.port = port;
	in->req.credit = credit;
	in->req.max_len = VMSGIF_MESSAGE_MAX;
	in->has_name = name != NULL;
	snprintf(in->name, sizeof(in->name), "%s", name ? name : "");
	return in->req.id;
}

static inline uint16_t fake_port_op(struct device *dev, uint8_t op, uint32_t port, uint64_t credit)
{
	struct fake_request *in = fake_put(dev, op);

	in->req.port = port;
	in->req.credit = credit;
	return in->req.id;
}

static inline uint16_t fake_ready(struct device *dev)
{
	return fake_put(dev, VMSGIF_OP_READY)->req.id;
}

static inline uint16_t fake_name_op(struct device *dev, uint8_t op, const char *name)
{
	struct fake_request *in = fake_put(dev, op);

	in->has_name = true;
	snprintf(in->name, sizeof(in->name), "%s", name);
	return in->req.id;
}

static inline struct request *fake_send_req(struct device *dev, const struct device *to,
					    uint32_t port)
{
	struct request *req = &fake_put(dev, VMSGIF_OP_SEND)->req;

	req->addr = to->addr;
	req->port = port;
	req->src_port = 9;
	req->seq = ++dev->seq;
	return req;
}

/* Inline. */
static inline uint16_t fake_send(struct device *dev, const struct device *to, uint32_t port,
				 const char *text)
{
	struct request *req = fake_send_req(dev, to, port);

	req->form = REQUEST_INLINE;
	req->len = (uint32_t)strlen(text);
	memcpy(req->data, text, req->len);
	return req->id;
}

/* Pages from @ref on, filled with a pattern of their own. */
static inline uint16_t fake_send_pages(struct device *dev, const struct device *to, uint32_t port,
				       uint32_t ref, uint32_t len)
{
	struct request *req = fake_send_req(dev, to, port);
	struct fake_request *in = CONTAINER_OF(req, struct fake_request, req);

	req->len = len;
	for (uint32_t at = 0; at < len; at += VMSGIF_PAGE_SIZE, ref++) {
		uint32_t n = len - at < VMSGIF_PAGE_SIZE ? len - at : VMSGIF_PAGE_SIZE;

		memset(dev->tx_page[ref], (int)(ref + dev->domid), n);
		in->segs[req->nr_segs++] = (struct vmsgif_segment){ ref, 0, (uint16_t)n };
	}
	req->form = req->nr_segs > VMSGIF_SEGS_MAX ? REQUEST_INDIRECT : REQUEST_SEGS;
	return req->id;
}

/* A run of @nr messages of @len bytes. */
static inline uint16_t fake_send_run(struct device *dev, const struct device *to, uint32_t port,
				     uint16_t pool, uint32_t offset, uint32_t len, unsigned int nr)
{
	struct request *req;

	dev->seq += nr - 1;
	req = fake_send_req(dev, to, port);
	req->form = REQUEST_MAP;
	req->map_id = pool;
	req->map_more = (uint16_t)(nr - 1);
	req->map_offset = offset;
	req->len = len;
	return req->id;
}

static inline uint16_t fake_send_map(struct device *dev, const struct device *to, uint32_t port,
				     uint16_t pool, uint32_t offset, uint32_t len)
{
	return fake_send_run(dev, to, port, pool, offset, len, 1);
}

/* Of the messages @first to @last. */
static inline uint16_t fake_release_all(struct device *dev, uint32_t addr, uint32_t port,
					uint64_t first, uint64_t last)
{
	struct request *req = &fake_put(dev, VMSGIF_OP_RELEASE)->req;

	req->addr = addr;
	req->port = port;
	req->seq = last;
	req->map_more = (uint16_t)(last - first);
	return req->id;
}

static inline uint16_t fake_release(struct device *dev, uint32_t addr, uint32_t port, uint64_t seq)
{
	return fake_release_all(dev, addr, port, seq, seq);
}

static inline uint16_t fake_pool(struct device *dev, uint8_t op, uint16_t type, uint16_t id,
				 const struct device *to, uint32_t port)
{
	struct request *req = &fake_put(dev, op)->req;

	req->addr = to ? to->addr : 0;
	req->port = port;
	req->src_port = to ? 9 : 0;
	req->pool = (struct vmsgif_pool){ .ref = 77, .id = id, .type = type, .nr_pages = 16 };
	return req->id;
}

static inline uint16_t fake_ack(struct device *dev, uint32_t owner, uint16_t id, int status)
{
	struct request *req = &fake_put(dev, VMSGIF_OP_POOL_ACK)->req;

	req->addr = owner;
	req->pool = (struct vmsgif_pool){ .id = id, .type = VMSGIF_POOL_MAP, .status = status };
	return req->id;
}

/* @n more empty pages. */
static inline void fake_post(struct device *dev, unsigned int n)
{
	while (n--) {
		unsigned int at = dev->posted_end++;

		dev->posted[at % FAKE_SLOTS] = (struct rx_page){ .id = (uint16_t)(at % dev->slots),
								 .pooled = dev->pooled_rx,
								 .ref = at % FAKE_PAGES };
	}
	broker_ops.kick(fake.broker, dev);
}

/* Connected and READY, port 7 bound with plenty of credit, @pages posted. */
static inline struct device *fake_guest(uint16_t domid, const char *name, unsigned int pages)
{
	struct device *dev = fake_device(domid, name);

	fake_connect(dev);
	fake_bind(dev, 7, UINT64_C(1) << 40, NULL);
	fake_ready(dev);
	fake_post(dev, pages);
	fake_turns();
	return dev;
}

/* --------------------------------------------------------------------- results */

/* Where the answer to the request with this id is in the log, from @from on; -1: nowhere. */
static inline int fake_tx_at(const struct device *dev, uint16_t id, unsigned int from)
{
	for (unsigned int i = from; i < fake.nr_entries; i++)
		if (fake.entries[i].kind == FAKE_TX && fake.entries[i].dev == dev &&
		    fake.entries[i].tx.id == id)
			return (int)i;
	return -1;
}

#define FAKE_UNANSWERED 1

/* The status of its last answer, or FAKE_UNANSWERED. */
static inline int fake_status(const struct device *dev, uint16_t id)
{
	if (dev->busy[id])
		return FAKE_UNANSWERED;
	for (unsigned int i = fake.nr_entries; i-- > 0;)
		if (fake.entries[i].kind == FAKE_TX && fake.entries[i].dev == dev &&
		    fake.entries[i].tx.id == id)
			return fake.entries[i].tx.status;
	return FAKE_UNANSWERED;
}

static inline const struct vmsgif_tx_response *fake_answer(const struct device *dev, uint16_t id)
{
	int at = fake_tx_at(dev, id, 0);

	ck_assert_int_ge(at, 0);
	return &fake.entries[at].tx;
}

/* The @n-th (from 0) RX response of this type to @dev; NULL: there are fewer. */
static inline const struct vmsgif_rx_response *fake_rx(const struct device *dev, uint8_t type,
						       unsigned int n)
{
	for (unsigned int i = 0; i < fake.nr_entries; i++)
		if (fake.entries[i].kind == FAKE_RX && fake.entries[i].dev == dev &&
		    fake.entries[i].rx.type == type && !n--)
			return &fake.entries[i].rx;
	return NULL;
}

static inline unsigned int fake_rx_count(const struct device *dev, uint8_t type)
{
	unsigned int n = 0;

	while (fake_rx(dev, type, n))
		n++;
	return n;
}

/* Its place in the log. */
static inline int fake_rx_at(const struct device *dev, uint8_t type, unsigned int n)
{
	const struct vmsgif_rx_response *rx = fake_rx(dev, type, n);

	ck_assert_ptr_nonnull(rx);
	return (int)(CONTAINER_OF((void *)(uintptr_t)rx, struct fake_entry, rx) - fake.entries);
}

/* Forget what was published so far. */
static inline void fake_clear(void)
{
	fake.nr_entries = 0;
	fake.lines[0] = '\0';
}

static inline int fake_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
