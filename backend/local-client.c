// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One client on the local bus, from HELLO to its end. See local.h.
 *
 * Phases of its device: WAITING is awaited, CONNECTING has been welcomed and did
 * not say START yet. Then it is UP until its connection or it itself ends, and
 * the device with it: whoever comes back is another client.
 */
#include "backend/internal.h"
#include "backend/local.h"
#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

static struct local_client *client_of(const struct device *dev)
{
	return CONTAINER_OF(dev, struct local_client, dev);
}

/* ----------------------------------------------------------------- memory */

/*
 * The size is sealed before anybody else has it: whoever could make it smaller
 * could make us fault. The seals are sealed, too.
 */
static int memory_new(struct local_client *c, const struct local_layout *layout)
{
	size_t bytes = (size_t)layout->nr_pages * VMSGIF_PAGE_SIZE;
	_cleanup_(closep) int fd =
		memfd_create("xenmsg", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	void *memory;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("xenmsg", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	c->memory = memory;
	c->nr_pages = layout->nr_pages;
	c->user->pages += layout->nr_pages;
	c->local->nr_pages += layout->nr_pages;
	return steal_fd(&fd);
}

static void memory_free(struct local_client *c)
{
	if (!c->memory)
		return;
	(void)munmap(c->memory, (size_t)c->nr_pages * VMSGIF_PAGE_SIZE);
	c->user->pages -= c->nr_pages;
	c->local->nr_pages -= c->nr_pages;
	c->memory = NULL;
	c->nr_pages = 0;
}

/* NULL: there is no such page. */
static uint8_t *page_at(const struct local_client *c, uint32_t ref)
{
	return ref - 1 < c->nr_pages ? c->memory + (size_t)(ref - 1) * VMSGIF_PAGE_SIZE : NULL;
}

/* -------------------------------------------------------------------- bus */

static void local_detach(struct device *dev)
{
	struct local_client *c = client_of(dev);

	/* The memory first: with the end of the connection it is the client's alone. */
	memory_free(c);
	c->source = sd_event_source_disable_unref(c->source);
	spurious_deinit(&c->spurious);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static int local_map(struct device *dev, uint32_t *refs, unsigned int nr, bool writable,
		     void **addr)
{
	struct local_client *c = client_of(dev);

	for (unsigned int i = 1; i < nr; i++) {
		if (refs[i] != refs[0] + i)
			return -EINVAL;
	}
	if (!page_at(c, refs[0]) || nr > c->nr_pages - (refs[0] - 1))
		return -EINVAL;
	*addr = page_at(c, refs[0]);
	return 0;
}

/* It is mapped as a whole. */
static void local_unmap(struct device *dev, void *addr, unsigned int nr)
{
}

static bool local_page(const struct device *dev, uint32_t ref, struct place *place)
{
	*place = (struct place){ .addr = page_at(client_of(dev), ref), .ref = ref };
	return place->addr != NULL;
}

static void unmask(struct local_client *c)
{
	c->masked = false;
	if (c->source)
		(void)sd_event_source_set_enabled(c->source, SD_EVENT_ON);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	unmask(userdata);
	return 0;
}

static void local_unmask(struct device *dev, bool spurious)
{
	struct local_client *c = client_of(dev);

	if (!c->masked)
		return;
	if (!spurious || !spurious_delay(&c->spurious, &dev->b->loop, on_late, c))
		unmask(c);
}

/* A socket that is full has bells in it already. */
static void local_notify(struct device *dev)
{
	const struct local_word bell = { .type = LOCAL_BELL };

	dev->b->stats.notifications++;
	(void)local_send(client_of(dev)->fd, &bell, sizeof(bell), -1);
}

static void local_run(struct device *dev)
{
	struct local_client *c = client_of(dev);

	if (dev->frozen)
		local_send_end(c->fd, LOCAL_CLOSED, -EPROTO, dev->failure);
	if (dev->frozen || c->died)
		local_client_end(c);
}

const struct bus local_bus = {
	.run = local_run,
	.detach = local_detach,
	.map = local_map,
	.unmap = local_unmap,
	.page = local_page,
	.unmask = local_unmask,
	.notify = local_notify,
};

/* ---------------------------------------------------------------- packets */

static void take_start(struct local_client *c)
{
	const struct local_layout l = local_layout(c->ring_order, 0, 0);
	struct connection *connection = &c->dev.c;

	c->deadline = UINT64_MAX;
	connection->ring_pages = l.ring_pages;
	ring_attach(&connection->tx, page_at(c, l.tx_ring), c->ring_order);
	ring_attach(&connection->rx, page_at(c, l.rx_ring), c->ring_order);
	device_come_up(&c->dev);
}

/* True: it was a bell. */
static bool take_packet(struct local_client *c, const struct local_word *word, ssize_t n)
{
	if (n == sizeof(*word) && word->type == LOCAL_BELL && c->dev.phase == PHASE_UP)
		return true;
	if (n == sizeof(*word) && word->type == LOCAL_START && c->dev.phase == PHASE_CONNECTING)
		take_start(c);
	else
		device_fail(&c->dev, "packet of %zd bytes, type %u, which is out of place", n,
			    n >= (ssize_t)sizeof(*word) ? word->type : 0);
	return false;
}

/* All packets that are there, or a bounded number. True: bells were among them. */
static bool take_packets(struct local_client *c)
{
	union {
		struct local_word word;
		char bytes[LOCAL_PACKET_MAX];
	} packet;
	bool bell = false;

	for (unsigned int i = 0; i < LOCAL_PACKETS && !c->dev.frozen; i++) {
		/* Without room for control messages: see local.h. */
		ssize_t n = recv(c->fd, &packet, sizeof(packet), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			c->died = true;
			device_schedule(&c->dev);
			break;
		}
		bell |= take_packet(c, &packet.word, n);
	}
	return bell;
}

static int on_packets(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct local_client *c = userdata;
	struct backend *b = c->dev.b;

	/* They keep until it is unmasked; a client that storms costs this much. */
	if (c->masked && !(revents & (EPOLLHUP | EPOLLERR)))
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (take_packets(c) && !c->masked && !c->dev.frozen) {
		b->stats.events++;
		c->masked = true;
		device_event(&c->dev);
	}
	if (c->died || c->dev.frozen)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

/* ------------------------------------------------------------------- life */

struct local_client *local_client_new(struct local *l, unsigned int slot, struct local_user *user)
{
	struct local_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	device_init(&c->dev, l->b, &local_bus, (uint16_t)(VMSGIF_ADDR_LOCAL | slot));
	c->local = l;
	c->user = user;
	c->slot = slot;
	c->fd = -1;
	c->deadline = UINT64_MAX;
	list_add_tail(&l->clients, &c->dev.link);
	l->by_slot[slot] = c;
	l->nr_clients++;
	user->clients++;
	if (devices_read_name(l->b, OWN_DOMID, c->dev.name) < 0)
		c->dev.name[0] = '\0';
	return c;
}

void local_client_free(struct local_client *c)
{
	struct local *l = c->local;

	device_deinit(&c->dev);
	l->by_slot[c->slot] = NULL;
	l->nr_clients--;
	c->user->clients--;
	free(c);
}

void local_client_end(struct local_client *c)
{
	otherend_end(&c->dev);
	local_store_remove(c->local, c->slot);
	local_client_free(c);
}

static void describe(struct local_client *c)
{
	const char *name = c->dev.name[0] ? c->dev.name : "?";

	if (c->pid)
		(void)snprintf(c->label, sizeof(c->label), "%s[pid %d uid %u]", name, (int)c->pid,
			       (unsigned int)c->user->uid);
	else
		(void)snprintf(c->label, sizeof(c->label), "%s[uid %u]", name,
			       (unsigned int)c->user->uid);
	c->dev.label = c->label;
	(void)snprintf(c->subject, sizeof(c->subject), "%s:%u", c->dev.name,
		       (unsigned int)c->user->uid);
	c->dev.subject = c->subject;
}

void local_client_await(struct local_client *c, uint32_t addr, uint64_t instance)
{
	struct device *dev = &c->dev;

	describe(c);
	c->deadline = clock_now_ns() + LOCAL_AWAIT_NS;
	local_timer_at(c->local, c->deadline);
	dev->addr = addr;
	dev->instance = instance;
	dev->announced = true;
	dev->known = true;
	dev->b->ops->awaited(dev->b->priv, dev);
}

/* The address of a new one, noted down before anybody hears of it. */
static int settle_address(struct local_client *c, uint64_t instance)
{
	struct device *dev = &c->dev;
	uint16_t generation;
	int r;

	if (dev->addr)
		return 0;
	r = address_next(dev->b, &generation);
	if (r < 0)
		return r;
	dev->addr = VMSGIF_ADDR(generation, dev->domid);
	dev->instance = instance;
	return local_store_put(c);
}

static bool send_welcome(const struct local_client *c, int fd, int memory)
{
	const struct backend_limits *limits = &c->dev.b->limits;
	const struct local_welcome welcome = {
		.type = LOCAL_WELCOME,
		.version = LOCAL_VERSION,
		.addr = c->dev.addr,
		.ring_order = c->ring_order,
		.flow_window = limits->flow_window,
		.max_message = limits->max_message,
		.max_pool_pages = limits->max_pool_pages,
		.max_maps = limits->max_maps,
	};

	return local_send(fd, &welcome, sizeof(welcome), memory);
}

static const char *too_large(const struct local_client *c, uint32_t nr_pages)
{
	if (nr_pages > LOCAL_USER_PAGES - c->user->pages)
		return "local clients of this user have too many pages";
	if (nr_pages > LOCAL_PAGES - c->local->nr_pages)
		return "local clients have too many pages";
	return NULL;
}

/* @fd is taken over if everything works. */
static int connect_client(struct local_client *c, int fd, const struct local_layout *layout,
			  uint64_t instance, const char **why)
{
	_cleanup_(closep) int memory = -1;
	int r;

	*why = "no memory to share with a local client";
	memory = memory_new(c, layout);
	if (memory < 0)
		return memory;
	*why = "address of a local client cannot be noted down";
	r = settle_address(c, instance);
	if (r < 0)
		return -EAGAIN;
	*why = "local client cannot be listened to";
	r = sd_event_add_io(c->dev.b->loop.event, &c->source, fd, EPOLLIN, on_packets, c);
	if (r < 0)
		return r;
	*why = "local client takes no packets";
	return send_welcome(c, fd, memory) ? 0 : -EIO;
}

int local_client_welcome(struct local_client *c, int fd, const struct local_hello *hello,
			 const struct ucred *cred, const char **why)
{
	unsigned int max_order = c->dev.b->limits.max_ring_order;
	unsigned int order = hello->ring_order < max_order ? hello->ring_order : max_order;
	const struct local_layout layout = local_layout(order, hello->tx_pages, hello->rx_pages);
	int r;

	*why = too_large(c, layout.nr_pages);
	if (*why)
		return -ENOSPC;
	c->pid = cred->pid;
	c->gid = cred->gid;
	c->ring_order = order;
	describe(c);
	r = connect_client(c, fd, &layout, hello->instance, why);
	if (r < 0) {
		memory_free(c);
		c->source = sd_event_source_disable_unref(c->source);
		/* An address that nobody heard of. */
		if (c->dev.addr && !c->dev.announced)
			local_store_remove(c->local, c->slot);
		return r;
	}
	c->fd = fd;
	device_enter(&c->dev, PHASE_CONNECTING);
	spurious_init(&c->spurious);
	c->deadline = clock_now_ns() + LOCAL_HANDSHAKE_NS;
	local_timer_at(c->local, c->deadline);
	return 0;
}
