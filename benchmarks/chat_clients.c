/* load_generator chat: clients that post messages and read the streams of their replies, each on one connection.

   --port P --clients C   the API's port and the number of clients; each posts again as soon as its reply has ended
   --body JSON            the body of every message
   --seconds S            the time after which no client posts, or
   --replies N            the number of messages in all
   --timeout S           clients that have not ended by then are counted in `unfinished`
   --deltas N             the number of «@time » in each reply; a reply with another number is `miscounted`; 0: unchecked
   --ramp MS              the clients start spread over this time

   Standard input has a room's id and its account's token in each line: client c uses rooms c, c + C, c + 2C and so on,
   so that no room's history grows long. Prints JSON with times in ms: `lag` is from
   a delta's time in the model to its arrival here; `steady` the same while all clients read and none has ended. */
#define _GNU_SOURCE
#include "load_generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Excluded from `steady` after the last client started. */
#define SETTLING 1000000

struct client {
    int fd;
    long stamps, room;
    bool streaming, over;
    struct answer answer;
    struct bytes body;
    char event[16];
    micros posted, first, stamp;
    bool in_stamp;
};

struct sample {
    micros moment, took;
};

struct samples {
    struct sample *at;
    size_t used, capacity;
};

static struct client *clients;
static struct room {
    char *id, *token;
} *rooms;
static long room_count, client_count, over_count, posted, finished, finished_in_time, unfinished, errors, miscounted, restarted;
static struct samples accepted, firsts, ends, lags;
static micros started, deadline, last_joined, first_left;
static const char *body;
static long most, deltas;
static char run_name[32];

static void record(struct samples *samples, micros moment, micros took)
{
    if (samples->used == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 4096;
        samples->at = realloc(samples->at, samples->capacity * sizeof(struct sample));
    }
    samples->at[samples->used++] = (struct sample){moment, took};
}

static void finish_client(struct client *client)
{
    if (!client->over)
        over_count++;
    client->over = true;
    close(client->fd);
}

static void fail_client(struct client *client, const char *what)
{
    fprintf(stderr, "client %ld: %s (status %d)\n", (long)(client - clients), what, client->answer.status);
    errors++;
    finish_client(client);
}

static void send_request(struct client *client, const char *request)
{
    size_t length = strlen(request);
    next_answer(&client->answer);
    client->body.used = 0;
    if (write(client->fd, request, length) != (ssize_t)length)
        fail_client(client, "a request could not be written");
}

static void post(struct client *client)
{
    char request[8192];
    if (most ? posted >= most : now() >= deadline) {
        finish_client(client);
        return;
    }
    snprintf(request, sizeof request,
             "POST /chatroom/%s/message HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
             "Authorization: Bearer %s\r\nIdempotency-Key: %s-%ld\r\nContent-Length: %zu\r\n\r\n%s",
             rooms[client->room].id, rooms[client->room].token, run_name, posted, strlen(body), body);
    client->room = (client->room + client_count) % room_count;
    posted++;
    client->streaming = false;
    client->first = client->stamps = 0;
    client->in_stamp = false;
    client->posted = now();
    send_request(client, request);
}

static void open_stream(struct client *client)
{
    char request[8192];
    char *address = client->body.used ? strstr(client->body.at, "\"stream_url\":\"") : NULL;
    char *end = address ? strchr(address + 14, '"') : NULL;
    if (client->answer.status != 202 || !end) {
        fail_client(client, client->body.used ? client->body.at : "no body");
        return;
    }
    record(&accepted, now(), now() - client->posted);
    snprintf(request, sizeof request, "GET %.*s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n",
             (int)(end - address - 14), address + 14);
    client->streaming = true;
    send_request(client, request);
}

/* A time may be split over several events. */
static void read_stamps(struct client *client, const char *text, size_t length, micros arrived)
{
    for (size_t n = 0; n < length; n++) {
        if (text[n] == '@') {
            client->in_stamp = true;
            client->stamp = 0;
        } else if (client->in_stamp && text[n] >= '0' && text[n] <= '9')
            client->stamp = 10 * client->stamp + text[n] - '0';
        else if (client->in_stamp && text[n] == ' ') {
            record(&lags, client->stamp, arrived - client->stamp);
            client->stamps++;
            client->in_stamp = false;
        }
    }
}

static void end_reply(struct client *client, micros arrived)
{
    finished++;
    if (!deadline || arrived <= deadline)
        finished_in_time++;
    if (deltas && client->stamps != deltas)
        miscounted++;
    if (!first_left)
        first_left = arrived;
    record(&ends, arrived, arrived - client->posted);
}

static void read_data(struct client *client, const char *data, size_t length)
{
    micros arrived = now();
    if (!strcmp(client->event, "delta")) {
        if (!client->first) {
            client->first = last_joined = arrived;
            record(&firsts, arrived, arrived - client->posted);
        }
        if (deltas)
            read_stamps(client, data + 9, length > 11 ? length - 11 : 0, arrived);
    } else if (!strcmp(client->event, "done"))
        end_reply(client, arrived);
    else if (!strcmp(client->event, "start")) {
        restarted += client->stamps > 0;
        client->stamps = 0;
        client->in_stamp = false;
    } else
        fail_client(client, client->event);
}

static void read_body(void *owner, const char *data, size_t length)
{
    struct client *client = owner;
    const char *end;
    add(&client->body, data, length);
    if (!client->streaming || client->answer.status != 200)
        return;
    while (client->body.used && (end = memchr(client->body.at, '\n', client->body.used))) {
        size_t line = (size_t)(end - client->body.at);
        if (!strncmp(client->body.at, "event: ", 7))
            snprintf(client->event, sizeof client->event, "%.*s", (int)line - 7, client->body.at + 7);
        else if (!strncmp(client->body.at, "data: ", 6))
            read_data(client, client->body.at + 6, line - 6);
        drop_front(&client->body, line + 1);
    }
}

static void receive(struct client *client)
{
    char data[65536];
    ssize_t length = read(client->fd, data, sizeof data);
    if (length <= 0) {
        if (length == 0 || errno != EAGAIN)
            fail_client(client, "the connection was closed");
        return;
    }
    take(&client->answer, data, (size_t)length, read_body, client);
    if (!client->answer.whole || client->over)
        return;
    if (!client->streaming)
        open_stream(client);
    else if (client->answer.status != 200 || strcmp(client->event, "done"))
        fail_client(client, "the stream ended early");
    else
        post(client);
}

static void join(struct client *client, int epoll)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)number("--port", 8000))};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address))
        fail("connecting");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->room = (client - clients) % room_count;
    watch(epoll, client->fd, EPOLLIN, client);
    post(client);
}

static void read_rooms(void)
{
    char id[64], token[4096];
    while (scanf("%63s %4095s", id, token) == 2) {
        rooms = realloc(rooms, (size_t)(room_count + 1) * sizeof *rooms);
        rooms[room_count++] = (struct room){strdup(id), strdup(token)};
    }
    if (!room_count)
        fail("no rooms on standard input");
}

static int by_time(const void *one, const void *other)
{
    micros a = ((const struct sample *)one)->took, b = ((const struct sample *)other)->took;
    return (a > b) - (a < b);
}

static void print_times(const char *name, struct samples *samples)
{
    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 1.0};
    static const char *names[] = {"p50", "p90", "p99", "p999", "max"};
    size_t count = samples->used;
    qsort(samples->at, count, sizeof(struct sample), by_time);
    printf(", \"%s\": {\"count\": %zu", name, count);
    for (int n = 0; n < 5 && count; n++) {
        size_t index = (size_t)(parts[n] * (double)count);
        printf(", \"%s\": %.3f", names[n], (double)samples->at[index < count ? index : count - 1].took / 1000);
    }
    printf("}");
}

static void print_steady(void)
{
    struct samples steady = {0};
    micros begin = last_joined + SETTLING, end = first_left;
    for (size_t n = 0; n < lags.used; n++)
        if (lags.at[n].moment >= begin && lags.at[n].moment <= end)
            record(&steady, lags.at[n].moment, lags.at[n].took);
    printf(", \"steady_seconds\": %.1f", end > begin ? (double)(end - begin) / 1e6 : 0.0);
    print_times("steady", &steady);
    free(steady.at);
}

static void report(micros ended)
{
    double seconds = (double)((deadline ? deadline : ended) - started) / 1e6;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"posted\": %ld, \"finished\": %ld, \"finished_in_time\": %ld, \"seconds\": %.3f", posted, finished,
           finished_in_time, seconds);
    printf(", \"cpu_seconds\": %.2f", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    printf(", \"errors\": %ld, \"unfinished\": %ld, \"miscounted\": %ld, \"restarted\": %ld", errors, unfinished, miscounted,
           restarted);
    print_times("accepted", &accepted);
    print_times("first", &firsts);
    print_times("done", &ends);
    print_steady();
    print_times("lag", &lags);
    printf("}\n");
}

int run_chat(void)
{
    long joined = 0, ramp = number("--ramp", 0) * 1000;
    int epoll = epoll_create1(0);
    body = option("--body", "{\"content\":\"hello\"}");
    client_count = number("--clients", 1);
    deltas = number("--deltas", 0);
    most = number("--replies", 0);
    clients = calloc((size_t)client_count, sizeof *clients);
    read_rooms();
    started = now();
    deadline = most ? 0 : started + (micros)(atof(option("--seconds", "10")) * 1e6);
    snprintf(run_name, sizeof run_name, "bench-%d-%lld", getpid(), started);
    micros give_up = started + number("--timeout", 300) * 1000000;
    while (over_count < client_count && now() < give_up) {
        struct epoll_event events[256];
        for (; joined < client_count && now() >= started + ramp * joined / client_count; joined++)
            join(&clients[joined], epoll);
        int count = epoll_wait(epoll, events, 256, joined < client_count ? 1 : 1000);
        for (int n = 0; n < count; n++)
            receive(events[n].data.ptr);
    }
    unfinished = client_count - over_count;
    report(now());
    return errors || unfinished ? 1 : 0;
}
