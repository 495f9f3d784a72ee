// Tencent's own package has no types.
declare module 'tls-sig-api-v2' {
  class Api {
    constructor(sdkAppId: number, secretKey: string);
    /** @param expire - seconds from now. */
    genSig(userId: string, expire: number): string;
  }
  const module: { Api: typeof Api };
  export default module;
}
