# docker build -t room-reaper .
#
# Node 24: it is maintained, and keeps compiled code between the starts of a container
# (src/cli/main.ts), which Node 20 cannot.
# By digest where it must be the same tomorrow: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
# With the embedded database made already (scripts/prepare-database.mjs).
RUN npm run prepare

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules /app/node_modules
COPY package.json LICENSE /app/
COPY --from=build /app/dist /app/dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/room-reaper \
  && install -d -o node -g node /data
# Room lists are mounted here, and the embedded database keeps its files here:
#   docker run --rm -v "$PWD:/data:ro" room-reaper destroy --dry-run rooms.txt
WORKDIR /data
USER node
# Where METRICS_PORT is set, whether the process answers there.
HEALTHCHECK --start-period=30s CMD ["node", "-e", "const port = process.env.METRICS_PORT; if (port) fetch(`http://127.0.0.1:${port}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["room-reaper"]
CMD ["worker"]
