/**
 * Certificates for 127.0.0.1, self-signed with one key that opens nothing. Made with OpenSSL 3:
 *
 *     openssl ecparam -genkey -name prime256v1 -noout -out key.pem
 *     openssl req -new -key key.pem -subj "/CN=room-reaper test" -out request.pem
 *     openssl ca -batch -selfsign -keyfile key.pem -in request.pem -notext \
 *       -startdate 20200101000000Z -enddate 20210101000000Z -out expired.pem
 *
 * with `subjectAltName=IP:127.0.0.1` and `basicConstraints=critical,CA:TRUE` as extensions;
 * the valid one likewise, with `-enddate 20991231000000Z`.
 */
export const key = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIHFE1NuZ6WWob/WHgHzduqVDIIoIvuJy9XEtN/6R4zwIoAoGCCqGSM49
AwEHoUQDQgAEotXg36ddbvPxQrvGmSEF1dnz0RoCJMMLo+BeW0gAqV84HeXse3Bt
lf7Tn8+ql8Ug2klmiMefs50KBpaaUyPrvQ==
-----END EC PRIVATE KEY-----`;

export const expired = `-----BEGIN CERTIFICATE-----
MIIBaTCCAQ6gAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBByb29tLXJl
YXBlciB0ZXN0MB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowGzEZMBcG
A1UEAwwQcm9vbS1yZWFwZXIgdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BKLV4N+nXW7z8UK7xpkhBdXZ89EaAiTDC6PgXltIAKlfOB3l7HtwbZX+05/PqpfF
INpJZojHn7OdCgaWmlMj672jQzBBMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/
BAUwAwEB/zAdBgNVHQ4EFgQUesLgEwMWhQz+XopqaGVBZkZ6EPgwCgYIKoZIzj0E
AwIDSQAwRgIhAIOMspdfWPyCV6dZnCeNwplhjmCe0Ple+OuUNKXc1cfNAiEAnYWu
3gY6Hqk7o6omuBxpx5hJL4WgTObwRihbylti59E=
-----END CERTIFICATE-----`;

export const valid = `-----BEGIN CERTIFICATE-----
MIIBajCCARCgAwIBAgIBAjAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBByb29tLXJl
YXBlciB0ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMDAwMDAwWjAbMRkw
FwYDVQQDDBByb29tLXJlYXBlciB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAEotXg36ddbvPxQrvGmSEF1dnz0RoCJMMLo+BeW0gAqV84HeXse3Btlf7Tn8+q
l8Ug2klmiMefs50KBpaaUyPrvaNDMEEwDwYDVR0RBAgwBocEfwAAATAPBgNVHRMB
Af8EBTADAQH/MB0GA1UdDgQWBBR6wuATAxaFDP5eimpoZUFmRnoQ+DAKBggqhkjO
PQQDAgNIADBFAiEAgeJ7I6TJAcw4pZQRxqYb0mfzaEA6xZ3j1A1UITCuQYkCIGJq
UR34NAcllXha4iRbbPX5wKKVrTWl4zG4ojCoe/Zb
-----END CERTIFICATE-----`;
