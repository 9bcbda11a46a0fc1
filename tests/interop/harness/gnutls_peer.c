/* A TLS peer on libgnutls with the settings of a real daemon: same priorities, certificate required, chain judged with an
 * empty trust list, and the safe-renegotiation check after the handshake. For tests only. Spec: connection 4.1, 4.5, 4.6.
 *
 *   gnutls_peer server|client PORT CHAIN.pem KEY.pem MODE [stolen]
 *
 * Connects to or listens on 127.0.0.1:PORT (0: any; the first line says which). MODE: echo | sink | source:BYTES | hang
 * (never reads after the handshake). "stolen" presents a chain whose key it does not have.
 * Prints one line per fact: "port N", "ready VERSION SUITE certificates=N safe=0|1", "failed WHY", "done received=N sent=N".
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *PRIORITIES =
    "SECURE192:-KX-ALL:+ANON-ECDH:+ANON-DH:+SECURE192:-RSA:-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192:"
    "+GROUP-X25519:%SERVER_PRECEDENCE:%SAFE_RENEGOTIATION";

static void fail(const char *what, int code) {
    printf("failed %s: %s\n", what, code ? gnutls_strerror(code) : "-");
    fflush(stdout);
    exit(1);
}

static int judge(gnutls_session_t session) {
    unsigned status = 0;
    int code = gnutls_certificate_verify_peers2(session, &status);
    if (code < 0) return code;
    return status & GNUTLS_CERT_SIGNATURE_FAILURE ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

static int open_socket(int server, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!server) {
        if (connect(fd, (struct sockaddr *)&at, size)) fail("connect", 0);
        return fd;
    }
    if (bind(fd, (struct sockaddr *)&at, size) || listen(fd, 1)) fail("listen", 0);
    getsockname(fd, (struct sockaddr *)&at, &size);
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    int peer = accept(fd, NULL, NULL);
    close(fd);
    return peer;
}

static void send_all(gnutls_session_t session, const char *bytes, size_t length) {
    for (size_t at = 0; at < length;) {
        ssize_t n = gnutls_record_send(session, bytes + at, length - at);
        if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN) continue;
        if (n < 0) fail("send", n);
        at += n;
    }
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    int server = !strcmp(argv[1], "server"), stolen = argc > 6 && !strcmp(argv[6], "stolen"), code;
    const char *mode = argv[5];
    gnutls_certificate_credentials_t credentials;
    gnutls_anon_client_credentials_t anonymous_client;
    gnutls_anon_server_credentials_t anonymous_server;
    gnutls_session_t session;

    gnutls_global_init();
    gnutls_certificate_allocate_credentials(&credentials);
    if (stolen) gnutls_certificate_set_flags(credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    if ((code = gnutls_certificate_set_x509_key_file(credentials, argv[3], argv[4], GNUTLS_X509_FMT_PEM)) < 0)
        fail("identity", code);
    gnutls_certificate_set_verify_function(credentials, judge);
    gnutls_init(&session, server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    if ((code = gnutls_priority_set_direct(session, PRIORITIES, NULL)) < 0) fail("priorities", code);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_anon_allocate_client_credentials(&anonymous_client);
    gnutls_anon_allocate_server_credentials(&anonymous_server);
    gnutls_credentials_set(session, GNUTLS_CRD_ANON, server ? (void *)anonymous_server : (void *)anonymous_client);
    if (server) gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);

    int fd = open_socket(server, atoi(argv[2])); /* apart: the next line is a macro that reads its argument twice */
    gnutls_transport_set_int(session, fd);
    do code = gnutls_handshake(session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    if (code < 0) fail("handshake", code);
    unsigned certificates = 0;
    gnutls_certificate_get_peers(session, &certificates);
    int safe = gnutls_safe_renegotiation_status(session);
    char *suite = gnutls_session_get_desc(session);
    printf("ready %s %s certificates=%u safe=%d\n", gnutls_protocol_get_name(gnutls_protocol_get_version(session)), suite,
           certificates, safe);
    fflush(stdout);
    if (server && !safe) fail("renegotiation", 0); /* what a daemon in this role does */

    static char buffer[65536];
    unsigned long long received = 0, sent = 0, left = 0;
    if (!strcmp(mode, "hang")) for (;;) sleep(60);
    if (!strncmp(mode, "source:", 7)) {
        for (left = strtoull(mode + 7, NULL, 10); sent < left;) {
            size_t n = left - sent < sizeof buffer ? left - sent : sizeof buffer;
            for (size_t i = 0; i < n; i += 4096) buffer[i] = (char)((sent + i) >> 12);
            send_all(session, buffer, n);
            sent += n;
        }
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    for (;;) {
        ssize_t n = gnutls_record_recv(session, buffer, sizeof buffer);
        if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN || n == GNUTLS_E_REHANDSHAKE) continue;
        if (n == 0) break;
        if (n < 0) fail("receive", n);
        received += n;
        if (!strcmp(mode, "echo")) send_all(session, buffer, n), sent += n;
    }
    if (strncmp(mode, "source:", 7)) gnutls_bye(session, GNUTLS_SHUT_WR);
    printf("done received=%llu sent=%llu\n", received, sent);
    return 0;
}
