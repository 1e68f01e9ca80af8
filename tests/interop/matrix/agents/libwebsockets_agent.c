/*
 * The agent on libwebsockets: see agent.ts. `libwebsockets_agent URL CA_FILE` connects.
 */

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_URL 512

/* A message or Ping that waits to be sent. */
struct output {
	struct output *next;
	enum lws_write_protocol kind;
	bool in_fragments;
	size_t size;
	size_t sent;
	int parts_sent;
	unsigned char bytes[]; /* LWS_PRE bytes of room come first. */
};

/* One connection. */
struct connection {
	unsigned char *message;
	size_t size;
	bool is_binary;
	bool is_fragmenting;
	bool is_closing;
	char pinged[126];
	struct output *first;
	struct output **end;
	/* Was given to lws_write(), which compresses the rest of it before the next call-back. */
	struct output *last;
};

static char url[MAX_URL];
static char seen[512] = "{\"closeCode\":0,\"reason\":\"\"}";
static char closing[512];
static bool is_over;
static bool must_connect = true;

static const struct lws_extension extensions[] = {
	{ "permessage-deflate", lws_extension_callback_pm_deflate,
	  "permessage-deflate; client_max_window_bits" },
	{ NULL, NULL, NULL },
};

static void enqueue(struct lws *wsi, struct connection *conn, enum lws_write_protocol kind,
		    const void *bytes, size_t size, bool in_fragments)
{
	struct output *output = calloc(1, sizeof(*output) + LWS_PRE + size);

	if (!output)
		abort();
	output->kind = kind;
	output->size = size;
	output->in_fragments = in_fragments;
	memcpy(output->bytes + LWS_PRE, bytes, size);
	*conn->end = output;
	conn->end = &output->next;
	lws_callback_on_writable(wsi);
}

static void enqueue_text(struct lws *wsi, struct connection *conn, const char *text)
{
	enqueue(wsi, conn, LWS_WRITE_TEXT, text, strlen(text), false);
}

static void obey(struct lws *wsi, struct connection *conn, char *command)
{
	char *words = strchr(command, ' ');

	if (words)
		*words++ = 0;
	if (!strcmp(command, "!version")) {
		enqueue_text(wsi, conn, LWS_LIBRARY_VERSION);
	} else if (!strcmp(command, "!fragments")) {
		conn->is_fragmenting = true;
	} else if (!strcmp(command, "!ping")) {
		snprintf(conn->pinged, sizeof(conn->pinged), "%s", words);
		enqueue(wsi, conn, LWS_WRITE_PING, words, strlen(words), false);
	} else if (!strcmp(command, "!seen")) {
		enqueue_text(wsi, conn, seen);
	} else if (!strcmp(command, "!connect")) {
		snprintf(url, sizeof(url), "%s", words);
	} else {
		char *reason = words ? strchr(words, ' ') : NULL;

		reason = reason ? reason + 1 : "";
		if (words)
			lws_close_reason(wsi, (enum lws_close_status)atoi(words),
					 (unsigned char *)reason, strlen(reason));
		conn->is_closing = true;
		lws_callback_on_writable(wsi);
	}
}

static void free_last(struct connection *conn)
{
	free(conn->last);
	conn->last = NULL;
}

/* Sends the next piece; returns whether all is well. */
static bool send_next(struct lws *wsi, struct connection *conn)
{
	struct output *output = conn->first;
	int flags = output->kind;
	size_t size = output->size - output->sent;

	if (output->in_fragments) {
		bool is_last = output->parts_sent == 2;
		/* Half, nothing, and the rest. */
		if (!is_last)
			size = output->parts_sent == 0 ? output->size / 2 : 0;
		if (output->parts_sent > 0)
			flags = LWS_WRITE_CONTINUATION;
		if (!is_last)
			flags |= LWS_WRITE_NO_FIN;
	}
	if (lws_write(wsi, output->bytes + LWS_PRE + output->sent, size,
		      (enum lws_write_protocol)flags) < 0)
		return false;
	output->sent += size;
	output->parts_sent++;
	if (!output->in_fragments || output->parts_sent == 3) {
		conn->first = output->next;
		if (!conn->first)
			conn->end = &conn->first;
		conn->last = output;
	}
	return true;
}

static void receive(struct lws *wsi, struct connection *conn, void *bytes, size_t size)
{
	unsigned char *message;

	if (lws_is_first_fragment(wsi)) {
		conn->size = 0;
		conn->is_binary = lws_frame_is_binary(wsi);
	}
	message = realloc(conn->message, conn->size + size + 1);
	if (!message)
		abort();
	conn->message = message;
	memcpy(message + conn->size, bytes, size);
	conn->size += size;
	if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
		return;
	message[conn->size] = 0;
	if (!conn->is_binary && message[0] == '!') {
		obey(wsi, conn, (char *)message);
		return;
	}
	enqueue(wsi, conn, conn->is_binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT, message, conn->size,
		conn->is_fragmenting);
	conn->is_fragmenting = false;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons event, void *user, void *in,
		    size_t size)
{
	struct connection *conn = user;
	char pong[160];

	switch (event) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		conn->end = &conn->first;
		snprintf(closing, sizeof(closing), "{\"closeCode\":1006,\"reason\":\"\"}");
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		receive(wsi, conn, in, size);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		snprintf(pong, sizeof(pong), "!pong %.*s", (int)size, (char *)in);
		enqueue_text(wsi, conn, pong);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		free_last(conn);
		if (conn->first && !send_next(wsi, conn))
			return -1;
		if (conn->first)
			lws_callback_on_writable(wsi);
		else if (conn->is_closing)
			return -1;
		break;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		if (size >= 2) {
			const unsigned char *code = in;
			snprintf(closing, sizeof(closing), "{\"closeCode\":%d,\"reason\":\"%.*s\"}",
				 code[0] << 8 | code[1], (int)size - 2, (char *)in + 2);
		} else {
			snprintf(closing, sizeof(closing), "{\"closeCode\":1005,\"reason\":\"\"}");
		}
		break;
	case LWS_CALLBACK_CLIENT_CLOSED:
		memcpy(seen, closing, sizeof(seen));
		while (conn->first) {
			struct output *output = conn->first;
			conn->first = output->next;
			free(output);
		}
		free_last(conn);
		free(conn->message);
		must_connect = true;
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		is_over = true;
		break;
	default:
		break;
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ "agent", on_event, sizeof(struct connection), 65536, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

static void connect_next(struct lws_context *context)
{
	struct lws_client_connect_info info = { 0 };
	char parsed[MAX_URL], path[MAX_URL];
	const char *scheme, *address, *rest;

	must_connect = false;
	memcpy(parsed, url, sizeof(parsed));
	if (lws_parse_uri(parsed, &scheme, &address, &info.port, &rest)) {
		is_over = true;
		return;
	}
	snprintf(path, sizeof(path), "/%s", rest);
	info.context = context;
	info.address = address;
	info.path = path;
	info.host = address;
	info.ssl_connection = strcmp(scheme, "wss") ? 0 : LCCSCF_USE_SSL;
	info.local_protocol_name = "agent";
	if (!lws_client_connect_via_info(&info))
		is_over = true;
}

int main(int count, char **words)
{
	struct lws_context_creation_info info = { 0 };
	struct lws_context *context;

	if (count != 3)
		return 2;
	snprintf(url, sizeof(url), "%s", words[1]);
	lws_set_log_level(LLL_ERR, NULL);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.extensions = extensions;
	info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.client_ssl_ca_filepath = words[2];
	context = lws_create_context(&info);
	if (!context)
		return 1;
	while (!is_over) {
		if (must_connect)
			connect_next(context);
		if (lws_service(context, 0) < 0)
			break;
	}
	lws_context_destroy(context);
	return 0;
}
