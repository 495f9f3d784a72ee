// Tencent's own package has no types.
declare module 'tls-sig-api-v2' {
  interface Api {
    /** @param expire - seconds from now. */
    genSig(userId: string, expire: number): string;
  }
  const module: { Api: new (sdkAppId: number, secretKey: string) => Api };
  export default module;
}
